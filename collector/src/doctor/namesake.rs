//! The Service that a host was most likely meant for, where it names one that was not given.
//!
//! Names that differ on purpose look alike too: `orders-v1` and `orders-v2`, `orders-a` and `orders-b`. What
//! differs by digits, or by a part of one or two letters, is no slip.

use super::evidence::Evidence;
use super::kube::{Object, may_be_same};

/// Most letters that a slip adds, leaves out, changes or swaps.
const SLIPS_MAX: usize = 2;
/// Letters of a name of which one may be a slip.
const LETTERS_OF_SLIP: usize = 3;
/// Longest part of a name, between dashes, that tells variants apart.
const VARIANT_MAX: usize = 2;

/// A Service whose name is nearly that of `host`, in its namespace, where no Service has it. `None` also for
/// names outside the mesh.
pub fn meant<'a>(evidence: &'a Evidence, host: &str) -> Option<&'a Object> {
    let host = host.strip_suffix(".svc.cluster.local").unwrap_or(host);
    let (name, namespace) = host.split_once('.').unwrap_or((host, ""));
    if namespace.contains('.') || evidence.service(host).is_some() {
        return None;
    }
    let services = evidence.of_kind("Service");
    services
        .filter(|service| may_be_same(&service.namespace, namespace))
        .filter(|service| is_slip(name, &service.name))
        .min_by_key(|service| strsim::damerau_levenshtein(name, &service.name))
}

fn is_slip(written: &str, name: &str) -> bool {
    let slips = strsim::damerau_levenshtein(written, name);
    let letters = |name: &str| {
        name.chars()
            .filter(|letter| !letter.is_ascii_digit())
            .collect()
    };
    let (left, right): (String, String) = (letters(written), letters(name));
    (1..=SLIPS_MAX).contains(&slips)
        && slips * LETTERS_OF_SLIP <= name.chars().count()
        && left != right
        && !are_variants(written, name)
}

/// Do they have the same parts but for short ones?
fn are_variants(left: &str, right: &str) -> bool {
    let (left, right): (Vec<&str>, Vec<&str>) =
        (left.split('-').collect(), right.split('-').collect());
    let mut pairs = left.iter().zip(&right);
    left.len() == right.len()
        && pairs.all(|(left, right)| left == right || left.len().max(right.len()) <= VARIANT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_told_from_variants() {
        for (written, name) in [
            ("order", "orders"),
            ("orders-nw", "orders-new"),
            ("orders-enw", "orders-new"),
            ("twintap-colector", "twintap-collector"),
            ("twintap-colectr", "twintap-collector"),
        ] {
            assert!(is_slip(written, name), "{written} {name}");
        }
        for (written, name) in [
            ("orders", "orders"),
            ("orders-v2", "orders-v1"),
            ("orders2", "orders"),
            ("orders-b", "orders-a"),
            ("new", "old"),
            ("a", "b"),
            ("orders", "orders-next"),
        ] {
            assert!(!is_slip(written, name), "{written} {name}");
        }
    }
}
