//! A tree of elements that is written once: texts and attributes are escaped at one place, and
//! every tag that opens closes. Nothing else writes markup, so no value can become code.

/// One element of HTML or SVG.
#[derive(Debug, Clone)]
pub struct Element {
    tag: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Node>,
}

#[derive(Debug, Clone)]
enum Node {
    Element(Element),
    Text(String),
    Asset(&'static str),
}

/// A new element. `tag` is a constant of ours, never data.
pub fn el(tag: &'static str) -> Element {
    Element { tag, attributes: Vec::new(), children: Vec::new() }
}

impl Element {
    /// Sets an attribute.
    pub fn attr(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }
    /// Sets the class.
    pub fn class(self, value: &str) -> Self {
        self.attr("class", value)
    }
    /// Appends text.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.children.push(Node::Text(text.into()));
        self
    }
    /// Appends a name or level of the data, isolated from the direction of the text around it.
    pub fn data(self, text: &str) -> Self {
        self.add(el("bdi").text(text))
    }
    /// Appends an element.
    pub fn add(mut self, child: Element) -> Self {
        self.children.push(Node::Element(child));
        self
    }
    /// Appends elements.
    pub fn add_all(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children.extend(children.into_iter().map(Node::Element));
        self
    }
    /// Appends style or script that was compiled in; the only text that is not escaped.
    pub fn asset(mut self, text: &'static str) -> Self {
        self.children.push(Node::Asset(text));
        self
    }
    /// The markup.
    pub fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(self.tag);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            if !value.is_empty() {
                out.push_str("=\"");
                escape(value, out);
                out.push('"');
            }
        }
        out.push('>');
        if VOID.contains(&self.tag) {
            return;
        }
        for child in &self.children {
            match child {
                Node::Element(element) => element.write(out),
                Node::Text(text) => escape(text, out),
                Node::Asset(text) => out.push_str(text),
            }
        }
        out.push_str("</");
        out.push_str(self.tag);
        out.push('>');
        if BLOCKS.contains(&self.tag) {
            out.push('\n');
        }
    }
}

/// Elements without content in HTML; of SVG, none.
const VOID: [&str; 4] = ["meta", "input", "br", "hr"];
/// A line break after these keeps the source of the page readable and changes nothing else.
const BLOCKS: [&str; 8] = ["section", "article", "head", "header", "main", "style", "li", "p"];

/// Escapes for text and for quoted attributes alike. Control characters and direction overrides
/// could make a name show as something that it is not; they become U+FFFD.
fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => out.push('\u{FFFD}'),
            other if other.is_control() => out.push('\u{FFFD}'),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(element: &Element) -> String {
        let mut out = String::new();
        element.write(&mut out);
        out
    }

    #[test]
    fn text_and_attributes_are_escaped() {
        for (raw, safe) in [
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("\" onload='x'", "&quot; onload=&#39;x&#39;"),
            ("a & b", "a &amp; b"),
            ("fdp.\u{202E}exe\u{0}", "fdp.\u{FFFD}exe\u{FFFD}"),
            ("שלום 👩‍⚕️", "שלום 👩‍⚕️"),
        ] {
            let element = el("i").attr("title", raw).text(raw);
            assert_eq!(written(&element), format!("<i title=\"{safe}\">{safe}</i>"));
        }
    }

    #[test]
    fn elements_nest_and_void_ones_do_not_close() {
        let tree = el("div").class("a").data("x").add(el("br")).add(el("b").attr("hidden", ""));
        assert_eq!(written(&tree), "<div class=\"a\"><bdi>x</bdi><br><b hidden></b></div>");
    }
}
