//! The strings of JSON: what their escapes mean, how to escape.

use super::plain::plain_end;

/// Length of the valid escape at the start of `bytes`, a surrogate pair being one escape. Lone surrogates are no
/// text, so they are not valid.
pub(super) fn escape_len(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => match code_unit(bytes)? {
            0xD800..0xDC00 => matches!(code_unit(bytes.get(6..)?)?, 0xDC00..0xE000).then_some(12),
            0xDC00..0xE000 => None,
            _ => Some(6),
        },
        _ => None,
    }
}

/// The code unit of `\uXXXX`.
fn code_unit(bytes: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes.first_chunk::<6>()? else { return None };
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
}

/// The text that `written`, what stands between the quotes, means. It has to be valid.
#[cold]
pub(super) fn unescape(written: &str) -> String {
    let mut text = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let escape = &rest.as_bytes()[at..];
        text.push(match escape.get(1) {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => unicode(escape),
            Some(&byte) => char::from(byte),
            None => char::REPLACEMENT_CHARACTER,
        });
        rest = escape_len(escape).and_then(|len| rest.get(at + len..)).unwrap_or("");
    }
    text.push_str(rest);
    text
}

/// The character of `\uXXXX` or of a pair of them.
fn unicode(escape: &[u8]) -> char {
    let unit = code_unit(escape).unwrap_or_default();
    let code = match escape.get(6..).and_then(code_unit) {
        Some(low) if (0xD800..0xDC00).contains(&unit) => 0x10000 + ((unit & 0x3FF) << 10 | low & 0x3FF),
        _ => unit,
    };
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Appends `text` as a JSON string, quotes included.
pub(super) fn write(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, behind) = rest.split_at(plain_end(rest, 0));
        out.extend_from_slice(plain);
        let Some((&special, behind)) = behind.split_first() else { break };
        match special {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(special >> 4)]);
                out.push(HEX[usize::from(special & 15)]);
            }
        }
        rest = behind;
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        let written = r#"a\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00z"#;
        assert_eq!(unescape(written), "a\"\\/\u{8}\u{c}\n\r\tA\u{e9}\u{20ac}\u{1f600}z");
        for bad in
            [r"\ud83d", r"\ud83dx", r"\ud83d\u0041", r"\ude00", r"\x", r"\u12", r"\u12g4", r"\u+123", "\\"]
        {
            assert_eq!(escape_len(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn written_text_reads_back() {
        let text: String = (0..0x250).filter_map(char::from_u32).chain("\u{1f600}\u{ffff}".chars()).collect();
        let mut out = Vec::new();
        write(&text, &mut out);
        let written = std::str::from_utf8(&out).unwrap();
        assert_eq!(unescape(&written[1..written.len() - 1]), text);
        assert!(written.starts_with(r#""\u0000\u0001"#));
    }
}
