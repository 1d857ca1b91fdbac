//! Statistics of an Envoy: the text of `/stats`, its JSON, or the Prometheus form.
//!
//! Prometheus loses the tree of names, so both forms are kept as they are: [`Stats::total`] asks by
//! Envoy's name, [`Stats::labelled`] by metric and label.

use std::collections::BTreeMap;

use super::at::Place;
use super::node::Node;

/// Statistics kept of one input; more are counted.
const STATS_MAX: usize = 1_000_000;

/// Statistics of one Envoy.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Where they are from.
    pub origin: Place,
    plain: BTreeMap<String, f64>,
    labelled: Vec<Sample>,
    /// Lines that were not understood (histograms and text values aside).
    pub foreign: u64,
    /// Beyond the limit.
    pub omitted: u64,
}

/// A sample of the Prometheus form.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name of the metric.
    pub name: String,
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: f64,
}

impl Sample {
    /// Value of a label; empty if there is none.
    pub fn label(&self, name: &str) -> &str {
        let found = self.labels.iter().find(|(label, _)| label == name);
        found.map_or("", |(_, value)| value)
    }

    /// The stat of `cluster` that it is, such as `upstream_rq_total`; `None` if it is of something else. Istio has the
    /// whole name in a label of its own; Envoy has it up to the first dot, and the rest in the metric's name.
    fn rest_of(&self, cluster: &str) -> Option<&str> {
        let stat = self.name.strip_prefix("envoy_cluster_")?;
        let labels = ["cluster_name", "envoy_cluster_name"].map(|label| self.label(label));
        if labels
            .iter()
            .any(|label| label.trim_end_matches(';') == cluster)
        {
            return Some(stat);
        }
        let (head, rest) = cluster.split_once('.')?;
        if self.label("envoy_cluster_name") != head {
            return None;
        }
        let rest = stat.strip_prefix(&metric_name(rest))?;
        rest.strip_prefix("__").or_else(|| rest.strip_prefix('_'))
    }

    fn is_of(&self, cluster: &str, stat: &str) -> bool {
        let Some(own) = self.rest_of(cluster) else {
            return false;
        };
        // Codes of answers are labels too.
        let codes = ["response_code", "envoy_response_code"].map(|label| self.label(label));
        let code = codes.into_iter().find(|code| !code.is_empty());
        own == stat && code.is_none()
            || code.is_some_and(|code| stat.strip_suffix(code) == Some(&format!("{own}_")))
    }
}

/// What names of a cluster's statistics begin with: Envoy and Istio may write `;` where a name with dots ends.
fn prefixes(cluster: &str) -> [String; 2] {
    [
        format!("cluster.{cluster}."),
        format!("cluster.{cluster};."),
    ]
}

/// As the Prometheus form writes a part of a name.
fn metric_name(name: &str) -> String {
    let letters = name.chars();
    letters
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '_'
            }
        })
        .collect()
}

impl Stats {
    /// Reads the text of `/stats`.
    pub fn of_text(text: &str, origin: Place) -> Self {
        let mut stats = Self {
            origin,
            ..Self::default()
        };
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            match text_line(line) {
                Some((name, Some(value))) => stats.put(name, value),
                Some((_, None)) => {}
                None => stats.foreign += 1,
            }
        }
        stats
    }

    /// Reads `/stats?format=json`.
    pub fn of_json(root: &Node, origin: Place) -> Self {
        let mut stats = Self {
            origin,
            ..Self::default()
        };
        for entry in root.get("stats").map(Node::items).unwrap_or_default() {
            let name = entry.get("name").and_then(Node::text);
            let value = entry.get("value").and_then(Node::number);
            if let (Some(name), Some(value)) = (name, value) {
                stats.put(name, value);
            }
        }
        stats
    }

    /// Reads `/stats/prometheus`, of an Envoy or of Istio's agent.
    pub fn of_prometheus(text: &str, origin: Place) -> Self {
        let mut stats = Self {
            origin,
            ..Self::default()
        };
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match prometheus_line(line) {
                Some(_) if stats.labelled.len() >= STATS_MAX => stats.omitted += 1,
                Some(sample) => stats.labelled.push(sample),
                None => stats.foreign += 1,
            }
        }
        stats
    }

    fn put(&mut self, name: &str, value: f64) {
        if self.plain.len() >= STATS_MAX {
            self.omitted += 1;
        } else {
            self.plain.insert(name.to_owned(), value);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.plain.len() + self.labelled.len()
    }

    /// Counters and gauges with Envoy's names.
    pub fn plain(&self) -> impl Iterator<Item = (&str, f64)> {
        self.plain
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
    }

    /// Names of all that were given, of either form.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let labelled = self.labelled.iter().map(|sample| sample.name.as_str());
        self.plain.keys().map(String::as_str).chain(labelled)
    }

    /// Samples of the Prometheus form.
    pub fn samples(&self) -> &[Sample] {
        &self.labelled
    }

    /// `cluster.<cluster>.<stat>`, in whichever form it is there.
    pub fn of_cluster(&self, cluster: &str, stat: &str) -> Option<f64> {
        let plain = prefixes(cluster).map(|prefix| self.plain.get(&format!("{prefix}{stat}")));
        plain.into_iter().flatten().next().copied().or_else(|| {
            let mut samples = self.labelled.iter();
            samples
                .find(|sample| sample.is_of(cluster, stat))
                .map(|sample| sample.value)
        })
    }

    /// Does any statistic tell of `cluster`? Istio leaves most clusters out, unless it is told otherwise.
    pub fn has_cluster(&self, cluster: &str) -> bool {
        let mut prefixes = prefixes(cluster).into_iter();
        let mut samples = self.labelled.iter();
        prefixes.any(|prefix| {
            let mut from = self.plain.range(prefix.clone()..);
            from.next()
                .is_some_and(|(name, _)| name.starts_with(&prefix))
        }) || samples.any(|sample| sample.rest_of(cluster).is_some())
    }

    /// Does any metric tell of the filter?
    pub fn has_filter(&self) -> bool {
        let names = [
            "twintap_",
            "wasmcustom.twintap_",
            "envoy_wasmcustom_twintap_",
        ];
        self.names()
            .any(|name| names.iter().any(|start| name.starts_with(start)))
    }

    /// A stat without a name inside its name, such as `server.concurrency`.
    pub fn total(&self, name: &str) -> Option<f64> {
        let plain = self.plain.get(name).copied();
        plain.or_else(|| {
            let metric = format!("envoy_{}", name.replace(['.', '-'], "_"));
            let sums = self.labelled.iter().filter(|sample| sample.name == metric);
            sums.map(|sample| sample.value)
                .reduce(|left, right| left + right)
        })
    }

    /// A metric of the filter, such as `twintap_dropped_total`.
    pub fn of_filter(&self, metric: &str) -> Option<f64> {
        let plain = self.plain.get(&format!("wasmcustom.{metric}")).copied();
        plain.or_else(|| {
            let named = |sample: &&Sample| {
                sample.name == metric || sample.name == format!("envoy_wasmcustom_{metric}")
            };
            self.labelled.iter().find(named).map(|sample| sample.value)
        })
    }

    /// Place of the stat called `name`.
    pub fn place(&self, name: &str) -> Place {
        Place {
            path: name.to_owned(),
            ..self.origin.clone()
        }
    }
}

/// Name and value of a line of `/stats`; no value for histograms and text.
pub(super) fn text_line(line: &str) -> Option<(&str, Option<f64>)> {
    // Names may hold `: `, values do not begin with a letter but for histograms.
    let (name, value) = line
        .rsplit_once(": ")
        .filter(|(name, _)| !name.contains(": \""))
        .or_else(|| line.split_once(": "))?;
    if name.is_empty() || name.contains(' ') && !name.contains('.') {
        return None;
    }
    if let Ok(number) = value.trim().parse::<f64>() {
        return Some((name, Some(number)));
    }
    let is_histogram = value.starts_with("P0(")
        || value.starts_with("No recorded values")
        || value.starts_with('"');
    (is_histogram && name.contains('.')).then_some((name, None))
}

/// `name{label="value",...} number`.
pub(super) fn prometheus_line(line: &str) -> Option<Sample> {
    let name_end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at_checked(name_end)?;
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'));
    if !is_name || name.ends_with(':') {
        return None;
    }
    let mut labels = Vec::new();
    let mut rest = rest;
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            inside = inside.trim_start_matches([',', ' ']);
            if let Some(after) = inside.strip_prefix('}') {
                rest = after;
                break;
            }
            let (label, after) = inside.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.push((label.to_owned(), value));
            inside = after;
        }
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// A value up to its closing quote, unescaped, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((index, letter)) = chars.next() {
        match letter {
            '"' => return Some((value, text.get(index + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_tell_the_same() {
        let text = Stats::of_text(
            "cluster.new.upstream_cx_http1_total: 7\nserver.concurrency: 2\nhttp.a.rq: P0(nan,1) P25(nan,1)\n",
            Place::default(),
        );
        let prometheus = Stats::of_prometheus(
            "# TYPE x counter\nenvoy_cluster_upstream_cx_http1_total{envoy_cluster_name=\"new\"} 7\nenvoy_server_concurrency{} 2\n",
            Place::default(),
        );
        for stats in [text, prometheus] {
            assert_eq!(
                stats.of_cluster("new", "upstream_cx_http1_total"),
                Some(7.0)
            );
            assert_eq!(stats.total("server.concurrency"), Some(2.0));
            assert_eq!(stats.foreign, 0);
        }
    }

    /// Lines of an Envoy 1.40: with the tags that Istio configures, and with its own.
    #[test]
    fn clusters_of_a_mesh_are_found_in_the_prometheus_form() {
        let forms = [
            r#"envoy_cluster_upstream_rq{response_code="403",cluster_name="outbound|9090||c.twintap.svc.cluster.local"} 7
envoy_cluster_upstream_rq{response_code_class="4xx",cluster_name="outbound|9090||c.twintap.svc.cluster.local"} 8
envoy_cluster_upstream_cx_http1_total{cluster_name="outbound|9090||c.twintap.svc.cluster.local;"} 2"#,
            r#"envoy_cluster_twintap_svc_cluster_local_upstream_rq{envoy_response_code="403",envoy_cluster_name="outbound|9090||c"} 7
envoy_cluster_twintap_svc_cluster_local_upstream_cx_http1_total{envoy_cluster_name="outbound|9090||c"} 2
envoy_cluster_twintap_svc_cluster_local_upstream_cx_http1_total{envoy_cluster_name="outbound|9090||d"} 5"#,
        ];
        for form in forms {
            let stats = Stats::of_prometheus(form, Place::default());
            let of =
                |stat: &str| stats.of_cluster("outbound|9090||c.twintap.svc.cluster.local", stat);
            assert_eq!(of("upstream_rq_403"), Some(7.0), "{form}");
            assert_eq!(of("upstream_rq_401"), None, "{form}");
            assert_eq!(of("upstream_cx_http1_total"), Some(2.0), "{form}");
            assert!(!stats.has_cluster("outbound|9090||c.shop.svc.cluster.local"));
        }
    }

    #[test]
    fn labels_may_hold_braces_commas_and_quotes() {
        let sample = prometheus_line(r#"m{a="x,}\"",b="y"} 1.5"#).unwrap();
        assert_eq!(
            (sample.label("a"), sample.label("b"), sample.value),
            ("x,}\"", "y", 1.5)
        );
    }

    #[test]
    fn clusters_with_colons_and_dots_keep_their_names() {
        let stats = Stats::of_text(
            "cluster.outbound|9090||c.twintap.svc.cluster.local;.upstream_rq_403: 3\n",
            Place::default(),
        );
        assert_eq!(
            stats.of_cluster(
                "outbound|9090||c.twintap.svc.cluster.local",
                "upstream_rq_403"
            ),
            Some(3.0)
        );
    }
}
