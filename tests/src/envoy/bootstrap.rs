//! Builds Envoy's configuration: listeners with filters and one route each, and clusters.
//!
//! Limits are raised where a test would meet Envoy's own before the filter's: header counts and
//! sizes, circuit breakers, timeouts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Filter;

const HCM: &str = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
const UPSTREAM_CODEC: &str =
    "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec";
const HTTP_OPTIONS_NAME: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const HTTP_OPTIONS: &str =
    "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// Envoy's default is 100.
const HEADERS_COUNT_MAX: u32 = 8192;
/// Envoy's default is 60.
const HEADERS_KB_MAX: u32 = 2048;

/// Files by which the collector and Envoy know each other.
#[derive(Clone, Debug)]
pub struct Secured {
    /// Who signed the collector's certificate.
    pub authority: PathBuf,
    /// Envoy's own certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub private_key: PathBuf,
    /// The value of `authorization`.
    pub authorization: PathBuf,
}

/// One Envoy's configuration.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    pub(super) name: String,
    pub(super) concurrency: u32,
    /// Seconds.
    pub(super) drain_time_s: u32,
    listeners: Vec<Value>,
    clusters: Vec<Value>,
    secrets: Vec<Value>,
    metadata: Value,
}

impl Bootstrap {
    /// An Envoy with one worker, no listener and no cluster.
    pub fn new(name: &str) -> Self {
        let metadata = json!({
            "NAME": format!("{name}-7d4b9c"),
            "NAMESPACE": "shop",
            "WORKLOAD_NAME": name,
            "CLUSTER_ID": "Kubernetes",
            "LABELS": {"app": name, "version": "v1"},
        });
        Self {
            name: name.to_owned(),
            concurrency: 1,
            drain_time_s: 1,
            listeners: vec![],
            clusters: vec![],
            secrets: vec![],
            metadata,
        }
    }

    /// Number of workers.
    #[must_use]
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.concurrency = workers;
        self
    }

    /// Calls of a listener that was replaced are cut off after this long, instead of a second.
    #[must_use]
    pub fn drain_time_s(mut self, seconds: u32) -> Self {
        self.drain_time_s = seconds;
        self
    }

    /// Adds a listener.
    #[must_use]
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener.json());
        self
    }

    /// Adds a listener that was made elsewhere.
    #[must_use]
    pub fn listener_json(mut self, listener: Value) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Removes all listeners.
    #[must_use]
    pub fn without_listeners(mut self) -> Self {
        self.listeners.clear();
        self
    }

    /// Adds a cluster of one gRPC server.
    #[must_use]
    pub fn grpc(mut self, name: &str, address: SocketAddr) -> Self {
        let protocol = json!({"http2_protocol_options": http2()});
        self.clusters.push(cluster(name, address, protocol));
        self
    }

    /// Adds a cluster of one server, spoken to in what the caller speaks.
    #[must_use]
    pub fn as_caller(mut self, name: &str, address: SocketAddr) -> Self {
        let mut cluster = cluster(name, address, json!({}));
        let options = &mut cluster["typed_extension_protocol_options"][HTTP_OPTIONS_NAME];
        let options = options.as_object_mut().expect("an object");
        options.remove("explicit_http_config");
        let both = json!({"http_protocol_options": {}, "http2_protocol_options": http2()});
        options.insert("use_downstream_protocol_config".to_owned(), both);
        self.clusters.push(cluster);
        self
    }

    /// Adds the cluster called `collector`, spoken to in HTTP/1.1.
    #[must_use]
    pub fn collector(self, address: SocketAddr) -> Self {
        self.http1("collector", address)
    }

    /// Adds the cluster called `collector`, spoken to in HTTP/2.
    #[must_use]
    pub fn collector_http2(self, address: SocketAddr) -> Self {
        self.grpc("collector", address)
    }

    /// Adds the cluster called `collector`, spoken to in HTTP/2 over TLS, with the token in a file.
    #[must_use]
    pub fn collector_secured(mut self, address: SocketAddr, secured: &Secured) -> Self {
        let mut collector = cluster("collector", address, json!({"http2_protocol_options": {}}));
        let file = |path: &Path| json!({"filename": path});
        collector["transport_socket"] = json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": "localhost",
                "common_tls_context": {
                    "tls_certificates": [{
                        "certificate_chain": file(&secured.certificate),
                        "private_key": file(&secured.private_key),
                    }],
                    "validation_context": {"trusted_ca": file(&secured.authority)},
                },
            },
        });
        let options = &mut collector["typed_extension_protocol_options"][HTTP_OPTIONS_NAME];
        options["http_filters"] = json!([
            {
                "name": "envoy.filters.http.credential_injector",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
                    "credential": {
                        "name": "envoy.http.injected_credentials.generic",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic",
                            "credential": {"name": "token"},
                            "header": "authorization",
                        },
                    },
                },
            },
            {
                "name": "envoy.filters.http.upstream_codec",
                "typed_config": {"@type": UPSTREAM_CODEC},
            },
        ]);
        self.clusters.push(collector);
        self.secrets.push(json!({
            "name": "token",
            "generic_secret": {"secret": file(&secured.authorization)},
        }));
        self
    }

    /// Adds the cluster called `collector`, spoken to in TLS whoever answers.
    #[must_use]
    pub fn collector_tls(mut self, address: SocketAddr) -> Self {
        let mut collector = cluster("collector", address, json!({"http_protocol_options": {}}));
        collector["transport_socket"] = json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            },
        });
        self.clusters.push(collector);
        self
    }

    /// Adds the cluster called `collector`, whose host name nobody resolves: `resolver` is the name
    /// server that is asked. `is_waited_for`: Envoy starts when it has answered, as is its default.
    #[must_use]
    pub fn collector_unresolved(mut self, resolver: SocketAddr, is_waited_for: bool) -> Self {
        let mut collector = cluster("collector", resolver, json!({"http_protocol_options": {}}));
        collector["type"] = "STRICT_DNS".into();
        collector["wait_for_warm_on_init"] = is_waited_for.into();
        let endpoint = &mut collector["load_assignment"]["endpoints"][0]["lb_endpoints"][0];
        endpoint["endpoint"]["address"]["socket_address"] =
            json!({"address": "collector.invalid", "port_value": 4318});
        collector["typed_dns_resolver_config"] = json!({
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
                "resolvers": [{"socket_address": {
                    "address": resolver.ip().to_string(), "port_value": resolver.port(),
                }}],
            },
        });
        self.clusters.push(collector);
        self
    }

    /// Adds a cluster of one HTTP/1.1 server.
    #[must_use]
    pub fn http1(mut self, name: &str, address: SocketAddr) -> Self {
        self.clusters
            .push(cluster(name, address, json!({"http_protocol_options": {}})));
        self
    }

    /// Starts Envoy.
    pub async fn start(self) -> super::Envoy {
        super::Envoy::start(self).await
    }

    pub(super) fn listeners_json(&self) -> String {
        json!({"version_info": "1", "resources": self.listeners}).to_string()
    }

    pub(super) fn json(&self, directory: &Path) -> String {
        let loopback = json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}});
        json!({
            "node": {"id": self.name, "cluster": self.name, "metadata": self.metadata},
            "admin": {"address": loopback},
            "static_resources": {"clusters": self.clusters, "secrets": self.secrets},
            "dynamic_resources": {"lds_config": {
                "resource_api_version": "V3",
                "path_config_source": {
                    "path": directory.join("listeners.json"),
                    "watched_directory": {"path": directory},
                },
            }},
        })
        .to_string()
    }
}

fn http2() -> Value {
    json!({
        "initial_stream_window_size": 1_048_576,
        "initial_connection_window_size": 16_777_216,
    })
}

fn cluster(name: &str, address: SocketAddr, protocol: Value) -> Value {
    let breaker = json!({
        "max_connections": 65_536,
        "max_pending_requests": 65_536,
        "max_requests": 65_536,
        "max_retries": 1024,
    });
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{
            "endpoint": {"address": {"socket_address": {
                "address": address.ip().to_string(), "port_value": address.port(),
            }}},
        }]}]},
        "circuit_breakers": {"thresholds": [breaker]},
        "typed_extension_protocol_options": {
            HTTP_OPTIONS_NAME: {
                "@type": HTTP_OPTIONS,
                "common_http_protocol_options": {
                    "max_headers_count": HEADERS_COUNT_MAX,
                    "max_response_headers_kb": HEADERS_KB_MAX,
                },
                "explicit_http_config": protocol,
            },
        },
    })
}

/// One listener: filters, a router, a route.
#[derive(Clone, Debug)]
pub struct Listener {
    name: String,
    filters: Vec<Value>,
    upstream_filters: Vec<Value>,
    route: Route,
}

impl Listener {
    /// A listener that sends everything to `route`.
    pub fn new(name: &str, route: Route) -> Self {
        Self {
            name: name.to_owned(),
            filters: vec![],
            upstream_filters: vec![],
            route,
        }
    }

    /// Adds a filter behind those already there, in the chain where it belongs.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        let chain = match filter.is_upstream {
            true => &mut self.upstream_filters,
            false => &mut self.filters,
        };
        chain.push(filter.json());
        self
    }

    /// Adds any HTTP filter to the downstream chain.
    #[must_use]
    pub fn http_filter(mut self, filter: Value) -> Self {
        self.filters.push(filter);
        self
    }

    /// As Envoy's configuration has it.
    pub fn json(&self) -> Value {
        json!({
            "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
            "name": self.name,
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "traffic_direction": "INBOUND",
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": self.connection_manager(),
            }]}],
        })
    }

    fn connection_manager(&self) -> Value {
        let mut router = json!({"@type": ROUTER});
        if !self.upstream_filters.is_empty() {
            let mut chain = self.upstream_filters.clone();
            chain.push(json!({
                "name": "envoy.filters.http.upstream_codec",
                "typed_config": {"@type": UPSTREAM_CODEC},
            }));
            router["upstream_http_filters"] = chain.into();
        }
        let mut filters = self.filters.clone();
        filters.push(json!({"name": "envoy.filters.http.router", "typed_config": router}));
        json!({
            "@type": HCM,
            "stat_prefix": self.name,
            "codec_type": "AUTO",
            "max_request_headers_kb": HEADERS_KB_MAX,
            "common_http_protocol_options": {"max_headers_count": HEADERS_COUNT_MAX},
            "http2_protocol_options": {
                "max_concurrent_streams": 1024,
                "initial_stream_window_size": 1_048_576,
                "initial_connection_window_size": 16_777_216,
            },
            "stream_idle_timeout": "0s",
            // As behind a proxy that is trusted, so that the header reaches the filter.
            "forward_client_cert_details": "ALWAYS_FORWARD_ONLY",
            "http_filters": filters,
            "route_config": {"virtual_hosts": [{
                "name": "all", "domains": ["*"], "routes": [self.route.json()],
            }]},
        })
    }
}

/// Where a listener sends its calls.
#[derive(Clone, Debug)]
pub struct Route {
    cluster: String,
    timeout: String,
    mirrors: Vec<Mirror>,
    retries: Option<Value>,
    is_hedged: bool,
    follows_redirects: bool,
    stamp: bool,
}

/// One mirror of a route.
#[derive(Clone, Debug)]
pub struct Mirror(Value);

impl Route {
    /// Everything goes to `cluster`, without a timeout.
    pub fn to(cluster: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            timeout: "0s".to_owned(),
            mirrors: vec![],
            retries: None,
            is_hedged: false,
            follows_redirects: false,
            stamp: false,
        }
    }

    /// Sends a copy of every call to `cluster` too.
    #[must_use]
    pub fn mirror(mut self, cluster: &str) -> Self {
        let policy = json!({"cluster": cluster, "disable_shadow_host_suffix_append": true});
        self.mirrors.push(Mirror(policy));
        self
    }

    /// Fails calls that take longer.
    #[must_use]
    pub fn timeout(mut self, seconds: &str) -> Self {
        self.timeout = seconds.to_owned();
        self
    }

    /// Retries calls that ended with gRPC `unavailable` or a reset.
    #[must_use]
    pub fn retries(mut self, count: u32) -> Self {
        self.retries = Some(json!({
            "retry_on": "unavailable,reset,connect-failure",
            "num_retries": count,
            "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.05s"},
        }));
        self
    }

    /// Asks again, and waits for both, when an attempt takes longer.
    #[must_use]
    pub fn hedged(mut self, seconds: &str) -> Self {
        self.retries = Some(json!({
            "retry_on": "unavailable,reset,5xx",
            "num_retries": 1,
            "per_try_timeout": seconds,
        }));
        self.is_hedged = true;
        self
    }

    /// Follows an answer 302 by itself.
    #[must_use]
    pub fn follow_redirects(mut self) -> Self {
        self.follows_redirects = true;
        self
    }

    /// Sets the pair id on the route (`%UNIQUE_ID%`) instead of by the filter.
    #[must_use]
    pub fn stamp_pair_id(mut self) -> Self {
        self.stamp = true;
        self
    }

    fn json(&self) -> Value {
        let mut action = json!({"cluster": self.cluster, "timeout": self.timeout});
        if !self.mirrors.is_empty() {
            action["request_mirror_policies"] =
                self.mirrors.iter().map(|mirror| mirror.0.clone()).collect();
        }
        if let Some(retries) = &self.retries {
            action["retry_policy"] = retries.clone();
        }
        if self.is_hedged {
            action["hedge_policy"] = json!({"hedge_on_per_try_timeout": true});
        }
        if self.follows_redirects {
            action["internal_redirect_policy"] = json!({"max_internal_redirects": 1});
        }
        let mut route = json!({"name": "all", "match": {"prefix": "/"}, "route": action});
        if self.stamp {
            route["request_headers_to_add"] = json!([{
                "header": {"key": twintap_record::PAIR_ID_HEADER, "value": "%UNIQUE_ID%"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }]);
        }
        route
    }
}
