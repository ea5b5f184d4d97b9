//! As much of Rust's grammar as the rules need: what is code and what is text, where a block
//! ends, which lines are tests.

/// The source with comments and the contents of literals blanked, line by line the same length
/// in characters.
pub(super) fn blank(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = text_end(&chars, at).unwrap_or(at);
        if end == at {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        out.extend(
            chars[at..end]
                .iter()
                .map(|c| if *c == '\n' { '\n' } else { ' ' }),
        );
        at = end;
    }
    out
}

/// The end of the comment or literal that starts here, if one does.
fn text_end(chars: &[char], at: usize) -> Option<usize> {
    let get = |i: usize| chars.get(i).copied();
    match (get(at)?, get(at + 1)) {
        ('/', Some('/')) => Some(find(chars, at, |i| get(i) == Some('\n'))),
        ('/', Some('*')) => Some(block_comment_end(chars, at)),
        ('"', _) => Some(string_end(chars, at + 1)),
        ('r', Some('"' | '#')) if !follows_word(chars, at) => raw_string_end(chars, at + 1),
        ('\'', Some('\\')) => Some(find(chars, at + 3, |i| get(i) == Some('\'')) + 1),
        // A lifetime has no closing quote two characters on.
        ('\'', Some(_)) if get(at + 2) == Some('\'') => Some(at + 3),
        _ => None,
    }
}

/// True when the character before belongs to a name. The prefix of `br"…"` does not count.
fn follows_word(chars: &[char], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).and_then(|i| chars.get(i)).copied();
    let word = |c: char| c.is_alphanumeric() || c == '_';
    match before(1) {
        Some('b' | 'c') => before(2).is_some_and(word),
        other => other.is_some_and(word),
    }
}

fn find(chars: &[char], from: usize, stop: impl Fn(usize) -> bool) -> usize {
    (from..chars.len())
        .find(|i| stop(*i))
        .unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], at: usize) -> usize {
    let mut depth = 0_usize;
    let mut i = at;
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                i += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                i += 2;
                if depth == 0 {
                    return i;
                }
            }
            _ => i += 1,
        }
    }
    chars.len()
}

fn string_end(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

fn raw_string_end(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + hashes) != Some(&'"') {
        return None;
    }
    let closes = |i: usize| {
        chars[i] == '"'
            && chars[i + 1..]
                .iter()
                .take(hashes)
                .filter(|c| **c == '#')
                .count()
                == hashes
    };
    let end = find(chars, at + hashes + 1, closes);
    Some((end + 1 + hashes).min(chars.len()))
}

/// Where the block or statement that starts at `from` ends: behind the brace that closes its
/// first one, or behind its semicolon.
fn item_end(code: &str, from: usize) -> usize {
    let mut braces = 0_usize;
    let mut brackets = 0_usize;
    for (i, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b'{' => braces += 1,
            b'}' => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return i + 1;
                }
            }
            b';' if braces == 0 && brackets == 0 => return i + 1,
            _ => {}
        }
    }
    code.len()
}

/// For each line whether it is there for tests only. Takes blanked code.
pub(super) fn test_lines(code: &str) -> Vec<bool> {
    let mut marks = vec![false; code.lines().count()];
    for (at, _) in code.match_indices("#[cfg(test)]") {
        let (first, last) = (line_of(code, at), line_of(code, item_end(code, at) - 1));
        marks
            .iter_mut()
            .take(last + 1)
            .skip(first)
            .for_each(|mark| *mark = true);
    }
    marks
}

/// The functions: line of the head, and how many lines of code the whole has.
pub(super) fn functions(code: &str) -> Vec<(usize, usize)> {
    let bytes = code.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let heads = code.match_indices("fn ").filter(|(at, _)| {
        let own_word = at
            .checked_sub(1)
            .is_none_or(|before| !is_word(bytes[before]));
        own_word && bytes.get(at + 3).copied().is_some_and(is_word)
    });
    heads
        .map(|(at, _)| {
            let body = &code[at..item_end(code, at)];
            (
                line_of(code, at),
                body.lines().filter(|line| !line.trim().is_empty()).count(),
            )
        })
        .collect()
}

/// Line of a place, counted from 0.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked() {
        let cases = [
            ("a // b {\nc", "a       \nc"),
            ("a /* /* x */ y */ b", "a                 b"),
            (
                r#"f("\"{", 'x', '\'', '\u{41}')"#,
                "f(     ,    ,     ,         )",
            ),
            ("r#\"a\"{\"# b", "         b"),
            ("br\"{\" x", "b     x"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("for r in x {}", "for r in x {}"),
        ];
        for (source, wanted) in cases {
            assert_eq!(blank(source), wanted, "{source}");
        }
    }

    #[test]
    fn test_modules_are_marked_to_their_closing_brace() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\nfn c() {}\n";
        assert_eq!(test_lines(code), [false, true, true, true, true, false]);
        assert_eq!(
            test_lines("#[cfg(test)]\nmod tests;\nfn c() {}\n"),
            [true, true, false]
        );
    }

    #[test]
    fn functions_are_measured_without_blank_lines() {
        let code = "fn a(x: [u8; 2]) {\n\n  let f: fn (u8) = g;\n}\ntrait T {\n  fn b();\n}\n";
        assert_eq!(functions(code), [(0, 3), (5, 1)]);
    }
}
