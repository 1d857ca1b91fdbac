//! Foreign text made safe for a terminal: what could move the cursor, hide or reorder text is shown
//! as `\u{..}`.

/// Replaces control characters, bidirectional overrides and invisible characters.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            out.extend(c.escape_default())
        } else {
            out.push(c)
        }
    }
    out
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Zero-width characters, marks, separators, bidirectional overrides, invisible operators.
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{061c}' | '\u{00ad}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Cuts `text` to `width` characters, with a sign that it was.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some(_) => text
            .chars()
            .take(width.saturating_sub(1))
            .chain(['…'])
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        let hostile = "a\x1b[31mb\x07\r\n\u{9b}2J\u{202e}evil\u{200b}";
        let shown = escape(hostile);
        assert!(shown.chars().all(|c| !is_unsafe(c)), "{shown:?}");
        assert!(shown.starts_with("a\\u{1b}[31mb\\u{7}\\r\\n"));
        assert_eq!(escape("Grüße, 世界"), "Grüße, 世界");
    }
}
