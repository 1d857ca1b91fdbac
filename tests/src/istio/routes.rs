//! Routes as istiod makes them of a VirtualService, as far as the samples of `istio/` use it.

use serde_json::{Value, json};

/// Envoy's name for all calls of one share.
const RUNTIME_KEY: &str = "mirror.share";

/// Routes of `virtual_service`; `with_suffix`: mirrors carry the authority `HOST-shadow`, as they did
/// before Istio 1.28.
pub fn routes(virtual_service: &Value, with_suffix: bool) -> Vec<Value> {
    let rules = virtual_service["spec"]["http"].as_array().expect("rules");
    let routes = rules.iter().flat_map(|rule| {
        let matches = match rule["match"].as_array() {
            Some(matches) => matches.iter().map(|one| one["uri"].clone()).collect(),
            None => vec![json!({"prefix": "/"})],
        };
        let action = action(rule, with_suffix);
        let name = rule["name"].clone();
        let route = move |one| json!({"name": name, "match": one, "route": action});
        matches.into_iter().map(route)
    });
    routes.collect()
}

fn action(rule: &Value, with_suffix: bool) -> Value {
    let timeout = rule["timeout"].as_str().unwrap_or("0s");
    let mut action =
        json!({"cluster": cluster(&rule["route"][0]["destination"]), "timeout": timeout});
    // istiod's default, unless the rule says otherwise.
    let attempts = rule["retries"]["attempts"].as_u64().unwrap_or(2);
    if attempts > 0 {
        action["retry_policy"] = json!({
            "retry_on": "connect-failure,refused-stream,unavailable,cancelled",
            "num_retries": attempts,
        });
    }
    let mut mirrors = vec![];
    if rule["mirror"].is_object() {
        mirrors.push((&rule["mirror"], &rule["mirrorPercentage"]));
    }
    for mirror in rule["mirrors"].as_array().into_iter().flatten() {
        mirrors.push((&mirror["destination"], &mirror["percentage"]));
    }
    let policies = mirrors.into_iter().map(|(destination, percentage)| {
        let share = percentage["value"].as_f64().unwrap_or(100.0);
        json!({
            "cluster": cluster(destination),
            "runtime_fraction": {
                "runtime_key": RUNTIME_KEY,
                "default_value": {"numerator": (share * 10_000.0).round(), "denominator": "MILLION"},
            },
            "trace_sampled": false,
            "disable_shadow_host_suffix_append": !with_suffix,
        })
    });
    let policies: Vec<Value> = policies.collect();
    if !policies.is_empty() {
        action["request_mirror_policies"] = policies.into();
    }
    action
}

fn cluster(destination: &Value) -> String {
    let text = |field: &str| destination[field].as_str().unwrap_or_default().to_owned();
    let port = &destination["port"]["number"];
    format!("outbound|{port}|{}|{}", text("subset"), text("host"))
}
