//! Whom a rule of a NetworkPolicy lets in, or where to it lets out, by namespace.
//!
//! Only namespaces are told apart: a peer may also choose pods, or be a block of addresses; then whoever
//! else fits is taken for let in.

use super::at::At;
use super::kube::{Object, labels, may_be_same};

/// The label that Kubernetes itself gives every namespace.
const NAME: &str = "kubernetes.io/metadata.name";

/// A namespace, as far as it is known.
#[derive(Clone, Debug)]
pub struct Namespace<'a> {
    name: &'a str,
    /// `None` if its object was not given.
    labels: Option<Vec<(String, String)>>,
}

impl<'a> Namespace<'a> {
    /// The namespace `name`, with its object if that was given.
    pub fn of(name: &'a str, object: Option<&Object>) -> Self {
        let labels = object.map(|object| labels(object.at().find(&["metadata", "labels"])));
        Self { name, labels }
    }

    /// Does it have the label `key`, and with a value that `fits`? `None`: nobody knows.
    fn has(&self, key: &str, fits: impl Fn(&str) -> bool) -> Option<bool> {
        if key == NAME {
            return Some(fits(self.name));
        }
        let mut own = self.labels.as_ref()?.iter();
        Some(own.any(|(name, value)| name == key && fits(value)))
    }
}

/// Does a rule of `ingress` let pods of `namespace` in, or one of `egress` out to them? The policy is in
/// `policy_namespace`. `None`: labels of the namespace decide, and are not known.
pub fn lets(rule: &At<'_>, policy_namespace: &str, namespace: &Namespace<'_>) -> Option<bool> {
    let mut peers = rule.list("from");
    peers.extend(rule.list("to"));
    if peers.is_empty() {
        return Some(true);
    }
    let takes = |peer: &At<'_>| {
        if peer.get("ipBlock").is_some() {
            return Some(true);
        }
        match peer.get("namespaceSelector") {
            Some(selector) => all(&conditions(&selector), namespace),
            None => Some(may_be_same(policy_namespace, namespace.name)),
        }
    };
    let told: Vec<_> = peers.iter().map(takes).collect();
    if told.contains(&Some(true)) {
        Some(true)
    } else {
        (!told.contains(&None)).then_some(false)
    }
}

/// What the rule, of a policy in `policy_namespace`, asks of namespaces, one text a peer.
pub fn asks(rule: &At<'_>, policy_namespace: &str) -> Vec<String> {
    let peers = rule.list("from").into_iter();
    peers
        .map(|peer| match peer.get("namespaceSelector") {
            Some(selector) => {
                let texts: Vec<_> = conditions(&selector).iter().map(Condition::text).collect();
                texts.join(",")
            }
            None => format!("{NAME}={policy_namespace}"),
        })
        .collect()
}

/// One condition of a label selector.
struct Condition {
    key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    operator: String,
    values: Vec<String>,
}

impl Condition {
    fn holds(&self, namespace: &Namespace<'_>) -> Option<bool> {
        let is_one = |value: &str| self.values.iter().any(|own| own == value);
        match self.operator.as_str() {
            "In" => namespace.has(&self.key, is_one),
            "NotIn" => namespace.has(&self.key, is_one).map(|has| !has),
            "Exists" => namespace.has(&self.key, |_| true),
            "DoesNotExist" => namespace.has(&self.key, |_| true).map(|has| !has),
            _ => None,
        }
    }

    /// As `kubectl --selector` takes it.
    fn text(&self) -> String {
        let (key, values) = (&self.key, self.values.join(","));
        match (self.operator.as_str(), self.values.as_slice()) {
            ("In", [value]) => format!("{key}={value}"),
            ("In", _) => format!("{key} in ({values})"),
            ("NotIn", _) => format!("{key} notin ({values})"),
            ("DoesNotExist", _) => format!("!{key}"),
            _ => key.clone(),
        }
    }
}

/// All conditions of a label selector; none takes all.
fn conditions(selector: &At<'_>) -> Vec<Condition> {
    let same = labels(selector.get("matchLabels")).into_iter();
    let same = same.map(|(key, value)| Condition {
        key,
        operator: "In".to_owned(),
        values: vec![value],
    });
    let expressions = selector.list("matchExpressions").into_iter();
    let expressions = expressions.map(|at| Condition {
        key: at.text("key").unwrap_or_default().to_owned(),
        operator: at.text("operator").unwrap_or_default().to_owned(),
        values: at
            .list("values")
            .iter()
            .filter_map(|value| value.node().text().map(str::to_owned))
            .collect(),
    });
    same.chain(expressions).collect()
}

fn all(conditions: &[Condition], namespace: &Namespace<'_>) -> Option<bool> {
    let told: Vec<_> = conditions.iter().map(|one| one.holds(namespace)).collect();
    if told.contains(&Some(false)) {
        Some(false)
    } else {
        (!told.contains(&None)).then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::at::Place;
    use super::super::node::{Located, Node};
    use super::*;

    fn node(yaml: &str) -> Node {
        let Located(node) = serde_saphyr::from_str(yaml).unwrap();
        node
    }

    /// Of a policy in the namespace `twintap`.
    fn is_let_in(rule: &str, name: &str, namespace_labels: Option<&str>) -> Option<bool> {
        let (rule, place) = (node(rule), Place::default());
        let object = namespace_labels.map(|labels| {
            let text = format!(
                "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {labels}}}}}"
            );
            let objects = Object::all_of(node(&text), Place::default()).unwrap();
            objects.into_iter().next().unwrap()
        });
        let namespace = Namespace::of(name, object.as_ref());
        lets(&At::root(&rule, &place), "twintap", &namespace)
    }

    #[test]
    fn a_rule_without_peers_lets_everybody_in() {
        assert_eq!(
            is_let_in("{ports: [{port: 9090}]}", "shop", None),
            Some(true)
        );
        assert_eq!(is_let_in("{from: []}", "shop", None), Some(true));
        let any = "{from: [{namespaceSelector: {}}]}";
        assert_eq!(is_let_in(any, "shop", None), Some(true));
    }

    #[test]
    fn a_peer_without_namespaces_is_of_the_policys_own() {
        let pods = "{from: [{podSelector: {matchLabels: {app: front}}}]}";
        assert_eq!(is_let_in(pods, "shop", None), Some(false));
        assert_eq!(is_let_in(pods, "twintap", None), Some(true));
    }

    #[test]
    fn labels_that_are_asked_for_decide_where_they_are_known() {
        let rule = "{from: [{namespaceSelector: {matchLabels: {records: \"true\"}}}]}";
        assert_eq!(
            is_let_in(rule, "shop", Some("{records: \"true\"}")),
            Some(true)
        );
        assert_eq!(
            is_let_in(rule, "shop", Some("{records: \"no\"}")),
            Some(false)
        );
        assert_eq!(is_let_in(rule, "shop", Some("{}")), Some(false));
        assert_eq!(is_let_in(rule, "shop", None), None);
    }

    #[test]
    fn a_namespaces_name_is_a_label_that_it_always_has() {
        let rule =
            "{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}]}";
        assert_eq!(is_let_in(rule, "shop", None), Some(true));
        assert_eq!(is_let_in(rule, "store", None), Some(false));
    }

    #[test]
    fn expressions_are_understood() {
        let rule = |expression: &str| {
            format!("{{from: [{{namespaceSelector: {{matchExpressions: [{{{expression}}}]}}}}]}}")
        };
        for (expression, with, without) in [
            ("key: team, operator: In, values: [a, b]", true, false),
            ("key: team, operator: NotIn, values: [b]", true, true),
            ("key: team, operator: Exists", true, false),
            ("key: team, operator: DoesNotExist", false, true),
        ] {
            let rule = rule(expression);
            assert_eq!(
                is_let_in(&rule, "shop", Some("{team: a}")),
                Some(with),
                "{rule}"
            );
            assert_eq!(
                is_let_in(&rule, "shop", Some("{}")),
                Some(without),
                "{rule}"
            );
        }
        assert_eq!(
            is_let_in(&rule("key: team, operator: Odd"), "shop", Some("{}")),
            None
        );
    }

    #[test]
    fn one_peer_that_fits_is_enough() {
        let rule =
            "{from: [{namespaceSelector: {matchLabels: {a: b}}}, {ipBlock: {cidr: 10.0.0.0/8}}]}";
        assert_eq!(is_let_in(rule, "shop", Some("{}")), Some(true));
    }

    #[test]
    fn what_is_asked_reads_as_kubectl_takes_it() {
        let rule = node(
            "{from: [{namespaceSelector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: Exists}]}}]}",
        );
        let place = Place::default();
        assert_eq!(asks(&At::root(&rule, &place), "twintap"), ["a=b,c"]);
    }
}
