//! `POST /v1/records`, `/healthz`, `/readyz`, `/metrics`.
