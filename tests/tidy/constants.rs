//! The constants of the models as `docs/guide/constants.md` lists them, read from their source:
//! name, default, what it may be, and the sentence above the field.

use std::collections::BTreeMap;

use syn::{
    Attribute, Expr, ExprLit, ExprStruct, Field, Ident, ItemEnum, ItemStruct, Lit, Meta, UnOp,
    visit::{self, Visit},
};

use super::tree::{File, Tree};

/// Models with the files that hold their constants.
const MODELS: [(&str, &str); 7] = [
    ("tabgraph", "engine/src/tabgraph/config.rs"),
    ("seqtree", "engine/src/seqtree/config.rs"),
    ("autoregressive", "engine/src/autoregressive/config.rs"),
    ("original", "engine/src/original/config.rs"),
    ("ctgan", "engine/src/ctgan/config.rs"),
    ("tvae", "engine/src/tvae/config.rs"),
    ("auto", "engine/src/auto/config.rs"),
];

/// Holds numbers that constants of models take by their name.
const LIMITS: &str = "protocol/src/limits.rs";

/// One table a model.
pub fn tables(tree: &Tree) -> String {
    let mut page = String::new();
    let mut limits = Found::default();
    if let Some(syntax) = tree.rust().find(|file| file.path == LIMITS).and_then(File::syntax) {
        limits.visit_file(&syntax);
    }
    // An enumeration may stand in the file of another model.
    let mut values = BTreeMap::new();
    for (model, path) in MODELS {
        let Some(file) = tree.rust().find(|file| file.path == path) else { continue };
        let named = limits.named.clone();
        let mut found = Found { values, named, ..Found::default() };
        if let Some(syntax) = file.syntax() {
            found.visit_file(&syntax);
        }
        page.push_str(&format!("\n## `{model}`\n\n"));
        page.push_str("| constant | default | may be | what it is |\n|---|---|---|---|\n");
        for (name, sentence) in &found.fields {
            let row = found.row(name, sentence);
            page.push_str(&row);
        }
        values = found.values;
    }
    page + "\n"
}

/// What a file of constants says.
#[derive(Default)]
struct Found {
    /// Name and sentence of each constant, in order.
    fields: Vec<(String, String)>,
    defaults: BTreeMap<String, String>,
    bounds: BTreeMap<String, (String, String)>,
    /// The words of each enumeration.
    values: BTreeMap<String, Vec<String>>,
    types: BTreeMap<String, String>,
    /// Values of named constants, `SHARED_ROWS_MIN`.
    named: BTreeMap<String, String>,
}

impl Found {
    fn row(&self, name: &str, sentence: &str) -> String {
        let default = self.defaults.get(name).map_or("by the table", String::as_str);
        let default = self.named.get(default).map_or(default, String::as_str);
        let kind = self.types.get(name).map_or("", String::as_str);
        let range = match (self.bounds.get(name), self.values.get(kind)) {
            (Some((least, most)), _) => format!("{least} … {most}"),
            (None, Some(words)) => words.join(", "),
            (None, None) if kind == "bool" => "true, false".to_owned(),
            (None, None) => String::new(),
        };
        format!("| `{name}` | {default} | {range} | {} |\n", sentence.replace('|', "\\|"))
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        if !item.ident.to_string().ends_with("Config") {
            return;
        }
        for Field { ident, ty, attrs, .. } in &item.fields {
            let name = ident.as_ref().map(Ident::to_string).unwrap_or_default();
            if let syn::Type::Path(path) = ty
                && let Some(last) = path.path.segments.last()
            {
                self.types.insert(name.clone(), last.ident.to_string());
            }
            self.fields.push((name, sentence(attrs)));
        }
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        if let Some(value) = value(&item.expr) {
            self.named.insert(item.ident.to_string(), value);
        }
        visit::visit_item_const(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        let words = item.variants.iter().map(|variant| snake(&variant.ident.to_string()));
        self.values.insert(item.ident.to_string(), words.collect());
    }

    fn visit_expr_struct(&mut self, made: &'ast ExprStruct) {
        // Only the literal of `Default` says `Self`.
        if made.path.is_ident("Self") {
            for field in &made.fields {
                if let (syn::Member::Named(name), Some(value)) = (&field.member, value(&field.expr))
                {
                    self.defaults.insert(name.to_string(), value);
                }
            }
        }
        visit::visit_expr_struct(self, made);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        let is_bound = matches!(&*call.func, Expr::Path(path) if path.path.is_ident("bound"));
        let mut arguments = call.args.iter();
        if is_bound
            && let Some(Expr::Lit(ExprLit { lit: Lit::Str(key), .. })) = arguments.next()
            && let [Some(least), Some(most)] = [arguments.next(), arguments.next()]
            && let [Some(least), Some(most)] = [value(least), value(most)]
        {
            self.bounds.insert(key.value(), (least, most));
        }
    }
}

/// A constant as it is written after `--set`; none for one that is computed.
fn value(expression: &Expr) -> Option<String> {
    Some(match expression {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => shown(number.base10_digits()),
        Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => shown(number.base10_digits()),
        Expr::Lit(ExprLit { lit: Lit::Bool(yes), .. }) => yes.value.to_string(),
        Expr::Unary(turned) if matches!(turned.op, UnOp::Neg(_)) => {
            format!("-{}", value(&turned.expr)?)
        }
        Expr::Path(path) => {
            let name = path.path.segments.last()?.ident.to_string();
            // A named constant keeps its name until its value is looked up.
            let is_constant = name.len() > 1 && !name.contains(|it: char| it.is_lowercase());
            if is_constant { name } else { snake(&name) }
        }
        _ => return None,
    })
}

/// Numbers far from one in powers of ten.
fn shown(digits: &str) -> String {
    let number: f64 = digits.parse().unwrap_or(0.0);
    let is_near = number == 0.0 || (1e-3..1e6).contains(&number);
    if is_near { number.to_string() } else { format!("{number:e}") }
}

/// The first paragraph above an item, as one line.
fn sentence(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => match &doc.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `UNet` and `Mlp` as serde writes them: `u_net`, `mlp`.
fn snake(name: &str) -> String {
    let mut words = String::new();
    for (at, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && at > 0 {
            words.push('_');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

#[test]
fn constants_are_read_from_their_source() {
    let text = r#"
        pub struct AConfig {
            /// How wide; less
            /// for small tables.
            ///
            /// A second paragraph.
            pub width: usize,
            /// Its shape.
            pub shape: Shape,
            /// Whether.
            pub deep: bool,
            /// How many.
            pub rows: u64,
        }
        enum Shape { Mlp, Unet }
        impl Default for AConfig {
            fn default() -> Self {
                Self { width: 1_024, shape: Shape::Unet, deep: twice(), rows: ROWS_MIN }
            }
        }
        const BOUNDS: &[Bound] = &[bound("width", 1e-7, 4096.0)];
    "#;
    let limits = File::new(LIMITS, "pub const ROWS_MIN: u64 = 1_005;");
    let page = tables(&Tree::of(vec![File::new(MODELS[0].1, text), limits]));
    for row in [
        "| `width` | 1024 | 1e-7 … 4096 | How wide; less for small tables. |",
        "| `shape` | unet | mlp, unet | Its shape. |",
        "| `deep` | by the table | true, false | Whether. |",
        "| `rows` | 1005 |  | How many. |",
    ] {
        assert!(page.contains(row), "{row} in\n{page}");
    }
}
