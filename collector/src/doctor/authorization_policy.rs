//! Which requests a rule of an AuthorizationPolicy takes: by whom they are sent, and what they ask for.
//!
//! Conditions (`when`), addresses, hosts, and identities that are not known decide nothing: `None`.

use super::at::At;

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sender {
    /// Namespace of its pod.
    pub namespace: String,
    /// Service account of its pod; `None` if it is not known.
    pub account: Option<String>,
}

/// What a request asks for.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// Such as `/v1/records`.
    pub path: &'a str,
    /// Ports of the pods that it may come to; none if they are not known.
    pub ports: &'a [f64],
}

fn texts(at: &At<'_>, key: &str) -> Vec<String> {
    let items = at.list(key);
    let texts = items.iter().filter_map(|item| item.node().text());
    texts.map(str::to_owned).collect()
}

/// Does one of the rule's operations take the request? No operation takes all.
pub fn operations_take(rule: &At<'_>, asked: &Asked<'_>) -> bool {
    let operations = rule.list("to");
    let has = |operation: &At<'_>, key: &str, value: &str| {
        texts(operation, key).iter().any(|own| fits(own, value))
    };
    let ports = |operation: &At<'_>, key: &str| -> Vec<f64> {
        let ports = operation.list(key);
        ports.iter().filter_map(|at| at.node().number()).collect()
    };
    let takes = |operation: &At<'_>| {
        let (allowed, refused) = (ports(operation, "ports"), ports(operation, "notPorts"));
        let is_of =
            |port: &f64| (allowed.is_empty() || allowed.contains(port)) && !refused.contains(port);
        let may_be =
            |key: &str, value: &str| operation.list(key).is_empty() || has(operation, key, value);
        (asked.ports.is_empty() || asked.ports.iter().any(is_of))
            && may_be("methods", asked.method)
            && !has(operation, "notMethods", asked.method)
            && may_be("paths", asked.path)
            && !has(operation, "notPaths", asked.path)
    };
    let mut operations_given = operations.iter().filter_map(|to| to.get("operation"));
    operations.is_empty() || operations_given.any(|operation| takes(&operation))
}

/// Is `sender` among the rule's sources? No source takes all.
pub fn sources_take(rule: &At<'_>, sender: &Sender) -> Option<bool> {
    let from = rule.list("from");
    let sources: Vec<_> = from.iter().filter_map(|from| from.get("source")).collect();
    if sources.is_empty() {
        return Some(true);
    }
    any(sources.iter().map(|source| takes(source, sender)))
}

/// Is a value of a source, such as a namespace, the sender's?
type IsOne<'a> = &'a dyn Fn(&str) -> Option<bool>;

/// All that a source says must hold.
fn takes(source: &At<'_>, sender: &Sender) -> Option<bool> {
    let among = |key: &str, is_one: IsOne<'_>| {
        let values = texts(source, key);
        (!values.is_empty()).then(|| any(values.iter().map(|value| is_one(value))))
    };
    let of_principal = |pattern: &str| principal(pattern, sender);
    let of_namespace = |pattern: &str| Some(fits(pattern, &sender.namespace));
    let of_account = |written: &str| account(written, sender);
    // The filter sends no token.
    let of_token = |_: &str| Some(false);
    let unknown = |_: &str| None;
    let fields: [(&str, &str, IsOne<'_>); 6] = [
        ("principals", "notPrincipals", &of_principal),
        ("namespaces", "notNamespaces", &of_namespace),
        ("serviceAccounts", "notServiceAccounts", &of_account),
        ("requestPrincipals", "notRequestPrincipals", &of_token),
        ("ipBlocks", "notIpBlocks", &unknown),
        ("remoteIpBlocks", "notRemoteIpBlocks", &unknown),
    ];
    let told = fields.iter().flat_map(|(key, not, is_one)| {
        let refused = among(not, *is_one).map(|is_one| is_one.map(|is_one| !is_one));
        [among(key, *is_one), refused]
    });
    let told: Vec<Option<bool>> = told.flatten().collect();
    if told.contains(&Some(false)) {
        Some(false)
    } else {
        (!told.contains(&None)).then_some(true)
    }
}

fn any(told: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let told: Vec<_> = told.collect();
    if told.contains(&Some(true)) {
        Some(true)
    } else {
        (!told.contains(&None)).then_some(false)
    }
}

/// `TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`, of whatever trust domain.
fn principal(pattern: &str, sender: &Sender) -> Option<bool> {
    let (pattern, start) = match pattern.split_once("/ns/") {
        Some((_, rest)) => (rest, String::new()),
        None => (pattern, "cluster.local/ns/".to_owned()),
    };
    let of = |account: &str| format!("{start}{}/sa/{account}", sender.namespace);
    match &sender.account {
        Some(account) => Some(fits(pattern, &of(account))),
        // Who fits without a name fits with any.
        None if fits(pattern, &of("")) => Some(true),
        None => {
            let namespace = pattern.split('/').next().unwrap_or_default();
            (start.is_empty() && !fits(namespace, &sender.namespace)).then_some(false)
        }
    }
}

/// `NAMESPACE/ACCOUNT`, or an account of the policy's own namespace.
fn account(written: &str, sender: &Sender) -> Option<bool> {
    let (namespace, name) = written.split_once('/')?;
    if namespace != sender.namespace {
        return Some(false);
    }
    sender.account.as_ref().map(|account| account == name)
}

/// Matches as AuthorizationPolicies do: exactly, or with a `*` at the beginning or the end.
fn fits(pattern: &str, value: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), _) if value.ends_with(rest) => true,
        (_, Some(rest)) => value.starts_with(rest),
        _ => pattern == value,
    }
}

#[cfg(test)]
mod tests {
    use super::super::at::Place;
    use super::super::node::Located;
    use super::*;

    fn is_from(source: &str, account: Option<&str>) -> Option<bool> {
        let text = format!("{{from: [{{source: {{{source}}}}}]}}");
        let Located(rule) = serde_saphyr::from_str(&text).unwrap();
        let sender = Sender {
            namespace: "shop".to_owned(),
            account: account.map(str::to_owned),
        };
        sources_take(&At::root(&rule, &Place::default()), &sender)
    }

    #[test]
    fn all_that_a_source_says_must_hold() {
        for (source, expected) in [
            ("namespaces: [shop]", Some(true)),
            ("namespaces: [store]", Some(false)),
            ("notNamespaces: [shop]", Some(false)),
            ("notNamespaces: [monitoring]", Some(true)),
            ("requestPrincipals: [\"*\"]", Some(false)),
            (
                "namespaces: [shop], requestPrincipals: [\"*\"]",
                Some(false),
            ),
            ("principals: [\"*\"]", Some(true)),
            ("principals: [cluster.local/ns/shop/sa/orders]", Some(true)),
            ("principals: [cluster.local/ns/shop/sa/front]", Some(false)),
            ("principals: [\"other.org/ns/shop/sa/*\"]", Some(true)),
            ("notPrincipals: [\"*/ns/shop/*\"]", Some(false)),
            ("serviceAccounts: [shop/orders]", Some(true)),
            ("serviceAccounts: [shop/front]", Some(false)),
            ("serviceAccounts: [orders]", None),
            ("namespaces: [shop], ipBlocks: [10.0.0.0/8]", None),
            ("namespaces: [store], ipBlocks: [10.0.0.0/8]", Some(false)),
        ] {
            assert_eq!(is_from(source, Some("orders")), expected, "{source}");
        }
    }

    #[test]
    fn an_account_that_is_not_known_may_be_any() {
        for (source, expected) in [
            ("principals: [cluster.local/ns/shop/sa/front]", None),
            ("principals: [cluster.local/ns/store/sa/front]", Some(false)),
            ("principals: [\"cluster.local/ns/shop/*\"]", Some(true)),
            ("serviceAccounts: [shop/front]", None),
            ("serviceAccounts: [store/front]", Some(false)),
        ] {
            assert_eq!(is_from(source, None), expected, "{source}");
        }
    }
}
