//! Files that people write, each small and with much of what may stand in one.

use super::Seeds;

/// A fixture of `tests/doctor/`.
macro_rules! fixture {
    ($path:literal) => {
        include_bytes!(concat!("../doctor/fixtures/", $path)).to_vec()
    };
}

pub(super) fn proto_files() -> Seeds {
    const PROTO2: &str = r#"syntax = "proto2";
package bad.v1;
import "google/protobuf/any.proto";
service Bad { rpc Get(M) returns (stream M); }
message M {
  optional int32 a = 1 [default = 7];
  repeated int32 packed = 4 [packed = true];
  map<string, M> map = 5;
  oneof arm { int32 x = 6; bytes y = 7; }
  optional Colour colour = 8 [deprecated = true];
  optional google.protobuf.Any any = 9;
  optional group G = 13 { required int32 in = 1; }
  extensions 100 to max;
  reserved 20 to 30, 40;
}
extend M { optional string more = 100; }
enum Colour { option allow_alias = true; RED = 0; ROT = 0; BLUE = -1; }
"#;
    const PROTO3: &str = "syntax = \"proto3\";
package shop.v1;
/* Two. */ message Query { optional string id = 1; repeated Query more = 2; }
message Answer { double price = 1 [json_name = \"cost\"]; }
service Shop { rpc Get(Query) returns (Answer) { option deprecated = true; } }
";
    vec![
        ("proto2", PROTO2.into()),
        ("proto3", PROTO3.into()),
        ("no_service", "syntax = \"proto3\"; message M {}".into()),
    ]
}

pub(super) fn rules() -> Seeds {
    const EVERY_KEY: &str = "version: 1
rules:
  - name: one
    method: [shop.v1.Shop/*, '*']
    place: [response, trailers]
    path: ['items[*].price', 'map[\"a b\"].**']
    tolerance: { absolute: 0.01 }
    reason: because
    expires: 2027-03-01
  - { name: two, tolerance: { relative: 1% }, path: a }
  - { name: three, tolerance: { time: 100ms }, severity: warning }
  - { name: four, unordered: { key: id }, path: items }
  - { name: five, matches: '^\\d+$', path: id }
  - { name: six, class: uuid }
  - { name: seven, normalize: [case] }
  - { name: eight, place: status, ignore: true, severity: error }
  - { name: nine, empty_equals_absent: true }
";
    const ANCHORS: &str = "version: 1
rules:
  - &a { name: a, path: x, ignore: [value, missing], reason: b }
  - { <<: *a, name: b, json: true, ignore: true }
";
    vec![
        ("every_key", EVERY_KEY.into()),
        ("anchors", ANCHORS.into()),
        (
            "one",
            "{ version: 1, rules: [{ name: a, path: x, ignore: true, reason: b }] }".into(),
        ),
    ]
}

pub(super) fn set_ups() -> Seeds {
    const JSON: &str = r#"{"kind": "List", "apiVersion": "v1", "items": [{"kind": "Service",
"apiVersion": "v1", "metadata": {"name": "shop"}, "spec": {"ports": [{"port": 50051, "name": "grpc"}]}}]}"#;
    const PROMETHEUS: &str = "# TYPE envoy_cluster_upstream_rq counter
envoy_cluster_upstream_rq{envoy_response_code=\"403\",envoy_cluster_name=\"twintap\"} 7
envoy_server_live{} 1
";
    vec![
        ("shadow", fixture!("version-skew/bad-shadow.yaml")),
        ("mirror", fixture!("mirror-form/bad-subset.yaml")),
        ("replicas", fixture!("collector-replicas/bad-rolling.yaml")),
        (
            "recorder",
            fixture!("collector-denied/bad-403/recorder.yaml"),
        ),
        ("stats", fixture!("early-cancel/bad-resets/stats.txt")),
        ("list", JSON.into()),
        ("prometheus", PROMETHEUS.into()),
    ]
}

pub(super) fn filter_configs() -> Seeds {
    const EVERY_KEY: &str = r#"{ "position" : "upstream", "collector_cluster": "outbound|9090||c.obs.svc",
"collector_authority": "c:1", "role": "secondary", "service": "caf\u00e9 \ud83d\ude00", "stamp_pair_id": false,
"record": true, "sample_rate": 2.5e-1, "body_bytes_max": 4.096e3, "include_methods": ["a.*"],
"exclude_methods": [], "redact_headers": ["x-a", "x-b"], "redaction_key": "k",
"flush_interval_ms": 20, "send_timeout_ms": 500 } "#;
    vec![
        ("every_key", EVERY_KEY.into()),
        (
            "smallest",
            r#"{"position":"inbound","collector_cluster":"c"}"#.into(),
        ),
        ("outbound", r#"{"position":"outbound"}"#.into()),
        (
            "any_json",
            "[null, -0.5e+3, {\"a\": [true, \"\\n\\\"\"], \"\": {}}, []]".into(),
        ),
    ]
}
