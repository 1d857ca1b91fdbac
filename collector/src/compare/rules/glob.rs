//! Names with `*`.

/// `*` matches any text, everything else itself. Linear in pattern and text.
pub fn matches_glob(glob: &str, text: &str) -> bool {
    let mut parts = glob.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_methods() {
        let method = "shop.v1.Shop/GetItem";
        for glob in [
            "*",
            method,
            "shop.v1.*",
            "*/GetItem",
            "shop.*.Shop/Get*",
            "*Get*Item",
        ] {
            assert!(matches_glob(glob, method), "{glob}");
        }
        for glob in [
            "",
            "shop.v1",
            "*/Get",
            "shop.v1.Shop/GetItem2",
            "GetItem*",
            "*Item*Item*Item",
        ] {
            assert!(!matches_glob(glob, method), "{glob}");
        }
    }
}
