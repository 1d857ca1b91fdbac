//! gRPC over HTTP/2: length-prefixed messages and status trailers.
