//! Is a canary in these bytes: as it is, in any case, in hexadecimal or in base64?

use std::collections::BTreeMap;

/// Characters of context in what is told of a find.
const CONTEXT: usize = 80;

/// Finds every canary of one kind: all of them begin and end with its mark.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    plain: String,
    hexadecimal: String,
    /// One for each position of the mark among groups of three bytes.
    base64: [String; 3],
}

impl Search {
    pub(crate) fn of(mark: &str) -> Self {
        let bytes = mark.as_bytes();
        Self {
            plain: mark.to_ascii_lowercase(),
            hexadecimal: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            base64: [0, 1, 2].map(|before| {
                let shifted = [&vec![0; before], bytes].concat();
                let digits = base64(&shifted);
                // Digits that also hold bits of neighbours are left out.
                let (first, last) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
                digits[first..last].to_owned()
            }),
        }
    }

    /// Where the first one is, with what is around it.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(bytes);
        let lower = text.to_ascii_lowercase();
        let mut anywhere = [&self.plain, &self.hexadecimal].into_iter();
        let found = anywhere.find_map(|needle| Some((lower.find(needle.as_str())?, &lower)));
        let found = found.or_else(|| {
            let text = &text as &str;
            let at = self.base64.iter().find_map(|needle| text.find(needle))?;
            Some((at, &lower))
        });
        let (at, text) = found?;
        let (from, to) = (
            text.floor_char_boundary(at.saturating_sub(CONTEXT)),
            text.ceil_char_boundary((at + CONTEXT).min(text.len())),
        );
        Some(text[from..to].to_owned())
    }

    /// Panics if one is in any of these places.
    pub(crate) fn finds_none(&self, places: &BTreeMap<String, Vec<u8>>) {
        let found = places.iter().filter_map(|(place, bytes)| {
            let found = self.find(bytes)?;
            Some(format!("{place}: {found:?}"))
        });
        let found: Vec<String> = found.collect();
        assert!(found.is_empty(), "{}: {found:#?}", self.plain);
    }

    /// Panics unless one is in this place: else the search proves nothing.
    pub(crate) fn finds_one(&self, place: &str, bytes: &[u8]) {
        assert!(
            self.find(bytes).is_some(),
            "{} is not in {place}",
            self.plain
        );
    }
}

/// RFC 4648, section 4, without padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, index| {
            bits << 8 | u32::from(group.get(index).copied().unwrap_or(0))
        });
        for index in 0..=group.len() {
            let digit = bits >> (18 - 6 * index) & 63;
            text.push(char::from(DIGITS[digit as usize]));
        }
    }
    text
}

#[test]
fn the_search_finds_every_form_at_every_place() {
    let mark = "cAnArYsEcReT";
    let search = Search::of(mark);
    let hexadecimal = |text: &str| text.bytes().map(|b| format!("{b:02X}")).collect::<String>();
    for before in 0..7 {
        let value = format!("{}{mark}{}", "~".repeat(before), "z".repeat(before % 3));
        let forms = [
            value.clone(),
            value.to_ascii_uppercase(),
            hexadecimal(&value),
            base64(value.as_bytes()),
        ];
        for form in forms {
            let hidden = [b"\xff\0{\"".as_slice(), form.as_bytes(), b"\xfe"].concat();
            search.finds_one(&form, &hidden);
        }
    }
    assert_eq!(base64(b"a token"), "YSB0b2tlbg");
    assert_eq!(search.find(b"cAnArY sEcReT"), None);
}
