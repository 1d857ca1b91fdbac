//! The folder `istio/`: is it right, does real Envoy load it, does it record, does it ever hurt?

mod doctor;
mod images;
mod loading;
mod manifests;
mod mesh;
mod outages;
mod recording;
mod reproducible;
