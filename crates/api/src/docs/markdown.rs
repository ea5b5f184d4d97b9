//! The little Markdown our own pages use, as HTML: headings, paragraphs, lists, code, strong
//! text and links. Everything is escaped first, so that no text can become markup.

/// Escapes text for HTML.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A table of rows that are HTML already.
pub(super) fn table(heads: [&str; 3], rows: &str) -> String {
    let [a, b, c] = heads;
    format!(
        "<table><thead><tr><th>{a}</th><th>{b}</th><th>{c}</th></tr></thead>\
         <tbody>{rows}</tbody></table>"
    )
}

/// A whole text.
pub(super) fn render(text: &str) -> String {
    let blocks = text
        .split("\n\n")
        .map(str::trim)
        .filter(|block| !block.is_empty());
    blocks.map(block).collect()
}

fn block(text: &str) -> String {
    if let Some(title) = text.strip_prefix("# ") {
        return format!("<h1>{}</h1>", inline(title));
    }
    if let Some(title) = text.strip_prefix("## ") {
        return format!("<h2>{}</h2>", inline(title));
    }
    if text.starts_with("- ") {
        let items = text
            .split("\n- ")
            .map(|item| item.strip_prefix("- ").unwrap_or(item));
        let items: String = items
            .map(|item| format!("<li>{}</li>", inline(item)))
            .collect();
        return format!("<ul>{items}</ul>");
    }
    format!("<p>{}</p>", inline(text))
}

/// One line of text.
pub(super) fn inline(text: &str) -> String {
    // What stands between backticks is code and nothing else.
    let parts = text.split('`').enumerate();
    parts
        .map(|(index, part)| {
            if index % 2 == 1 {
                format!("<code>{}</code>", escape(part))
            } else {
                links(&strong(&escape(part)))
            }
        })
        .collect()
}

fn strong(text: &str) -> String {
    let parts = text.split("**").enumerate();
    parts
        .map(|(index, part)| {
            if index % 2 == 1 {
                format!("<strong>{part}</strong>")
            } else {
                part.to_owned()
            }
        })
        .collect()
}

/// `[text](address)`, for addresses of this server and https only.
fn links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('[') {
        let link = from.split_once("](").and_then(|(label, after)| {
            let (address, after) = after.split_once(')')?;
            let fits = ["/", "#", "https://"]
                .iter()
                .any(|start| address.starts_with(start));
            fits.then_some((label, address, after))
        });
        out.push_str(before);
        match link {
            Some((label, address, after)) => {
                out.push_str(&format!("<a href=\"{address}\">{label}</a>"));
                rest = after;
            }
            None => {
                out.push('[');
                rest = from;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_little_we_use_is_rendered() {
        let text = "# One `two`\n\nA **b** [c](/d).\n\n- x\n- y";
        let html = "<h1>One <code>two</code></h1><p>A <strong>b</strong> <a href=\"/d\">c</a>.</p>\
                    <ul><li>x</li><li>y</li></ul>";
        assert_eq!(render(text), html);
    }

    #[test]
    fn no_text_becomes_markup() {
        assert_eq!(render("<b>`<i>`"), "<p>&lt;b&gt;<code>&lt;i&gt;</code></p>");
        assert_eq!(inline("[x](javascript:alert)"), "[x](javascript:alert)");
        assert_eq!(inline("[200 to [300]"), "[200 to [300]");
    }
}
