//! Rules that need the syntax of a file: lengths of functions, calls that panic, unsafe code.

use proc_macro2::TokenTree;
use syn::{
    Attribute, Block, Expr, ExprMethodCall, ExprUnsafe, ImplItemFn, ItemFn, ItemImpl, ItemMod, Lit,
    Macro, TraitItemFn,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::tree::{File, Finding, Tree, is_for_tests};

/// Lines of one function.
const FUNCTION_LINES_MAX: usize = 70;
/// Crates whose faults a user meets.
const PRODUCTION: &[&str] = &["protocol/", "engine/", "adapters/", "actors/", "web/", "node/"];
/// Macros that no finished code calls.
const UNFINISHED: &[&str] = &["todo", "unimplemented", "dbg"];
/// Files that may hold unsafe code, each with its reason.
const UNSAFE_ALLOWED: &[(&str, &str)] = &[
    (
        "adapters/src/program/keeper.rs",
        "a child says that it dies with its parent before it is another program",
    ),
    ("engine/src/learn/torch.rs", "MKL finds an answer of ours by its symbol's name"),
    ("node/src/leaving.rs", "an exit without destructors has no safe name"),
    ("node/src/memory.rs", "the allocator's options are set through C"),
    ("node/src/numerics.rs", "libtorch reads its kernels from the environment"),
    ("tests/src/network/far.rs", "a thread enters the network of another host"),
    (
        "tests/src/services/process.rs",
        "a server has its session and the slack of its timers before it is another program",
    ),
    ("tests/src/starting.rs", "a program says that it dies with its test before it is another one"),
];

/// A function fits on a screen. Those of tests may be longer: their tables and scripts are data.
pub fn function_is_short(tree: &Tree) -> Vec<Finding> {
    let outside_tests = tree.rust().filter(|file| !tree.is_test(file));
    outside_tests.flat_map(|file| look(file).long_functions).collect()
}

/// What a user does never makes the program panic.
pub fn nothing_is_unwrapped(tree: &Tree) -> Vec<Finding> {
    let production =
        tree.rust().filter(|file| PRODUCTION.iter().any(|it| file.path.starts_with(it)));
    production.filter(|file| !tree.is_test(file)).flat_map(|file| look(file).unwrapped).collect()
}

/// Nothing is left for later in code, and nothing prints for its author.
pub fn nothing_is_unfinished(tree: &Tree) -> Vec<Finding> {
    tree.rust().flat_map(|file| look(file).unfinished).collect()
}

/// Unsafe code stands where the list says.
pub fn unsafe_is_listed(tree: &Tree) -> Vec<Finding> {
    let is_listed = |file: &&File| UNSAFE_ALLOWED.iter().any(|(path, _)| *path == file.path);
    tree.rust().filter(|file| !is_listed(file)).flat_map(|file| look(file).unsafes).collect()
}

fn look(file: &File) -> Look<'_> {
    let mut look = Look {
        file,
        long_functions: Vec::new(),
        unwrapped: Vec::new(),
        unfinished: Vec::new(),
        unsafes: Vec::new(),
        in_tests: false,
    };
    if let Some(syntax) = file.syntax() {
        look.visit_file(&syntax);
    }
    look
}

/// Walks one file.
struct Look<'a> {
    file: &'a File,
    long_functions: Vec<Finding>,
    unwrapped: Vec<Finding>,
    unfinished: Vec<Finding>,
    unsafes: Vec<Finding>,
    in_tests: bool,
}

impl Look<'_> {
    fn function(&mut self, name: &syn::Ident, whole: proc_macro2::Span) {
        let lines = whole.end().line - whole.start().line + 1;
        if lines > FUNCTION_LINES_MAX && !self.in_tests {
            let what = format!("`{name}` has {lines} lines");
            self.long_functions.push(self.file.finding(whole.start().line, what));
        }
    }

    /// Walks something, and remembers whether it is only for tests.
    fn inside(&mut self, attributes: &[Attribute], walk: impl FnOnce(&mut Self)) {
        let outer = self.in_tests;
        self.in_tests |= is_for_tests(attributes);
        walk(self);
        self.in_tests = outer;
    }

    fn note_unsafe(&mut self, span: proc_macro2::Span) {
        self.unsafes.push(self.file.finding(span.start().line, "is unsafe code"));
    }
}

/// From `fn` to the closing brace: attributes and documentation do not count.
fn body(signature: &syn::Signature, block: &Block) -> proc_macro2::Span {
    signature.span().join(block.span()).unwrap_or_else(|| block.span())
}

impl<'ast> Visit<'ast> for Look<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.inside(&module.attrs, |look| visit::visit_item_mod(look, module));
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.inside(&function.attrs, |look| {
            if let Some(word) = &function.sig.unsafety {
                look.note_unsafe(word.span());
            }
            look.function(&function.sig.ident, body(&function.sig, &function.block));
            visit::visit_item_fn(look, function);
        });
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.inside(&function.attrs, |look| {
            if let Some(word) = &function.sig.unsafety {
                look.note_unsafe(word.span());
            }
            look.function(&function.sig.ident, body(&function.sig, &function.block));
            visit::visit_impl_item_fn(look, function);
        });
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.function(&function.sig.ident, body(&function.sig, block));
        }
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if let Some(word) = &item.unsafety {
            self.note_unsafe(word.span());
        }
        self.inside(&item.attrs, |look| visit::visit_item_impl(look, item));
    }

    fn visit_expr_unsafe(&mut self, block: &'ast ExprUnsafe) {
        self.note_unsafe(block.unsafe_token.span());
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let line = call.method.span().start().line;
        let what = match call.method.to_string().as_str() {
            "unwrap" | "unwrap_err" if call.args.is_empty() => Some("unwraps"),
            "expect" if !call.args.first().is_none_or(gives_reason) => {
                Some("expects without a reason")
            }
            _ => None,
        };
        if let Some(what) = what.filter(|_| !self.in_tests) {
            self.unwrapped.push(self.file.finding(line, what));
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let name = call.path.segments.last().map(|segment| segment.ident.to_string());
        if let Some(name) = name.filter(|name| UNFINISHED.contains(&name.as_str())) {
            let line = call.span().start().line;
            self.unfinished.push(self.file.finding(line, format!("calls {name}!")));
        }
        self.look_into(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

impl Look<'_> {
    /// What stands inside a macro call is no syntax yet: only the words can be read.
    fn look_into(&mut self, tokens: proc_macro2::TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let is_mark = |token: &TokenTree, mark: char| match token {
            TokenTree::Punct(punct) => punct.as_char() == mark,
            _ => false,
        };
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.look_into(group.stream()),
                TokenTree::Ident(word) => {
                    let line = word.span().start().line;
                    let is_method = at > 0 && is_mark(&tokens[at - 1], '.');
                    let is_macro = tokens.get(at + 1).is_some_and(|next| is_mark(next, '!'));
                    if is_method && word == "unwrap" && !self.in_tests {
                        self.unwrapped.push(self.file.finding(line, "unwraps"));
                    }
                    if is_macro && UNFINISHED.iter().any(|name| word == name) {
                        self.unfinished.push(self.file.finding(line, format!("calls {word}!")));
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

/// A literal of two words or more, or something that is no literal: another type's `expect`.
fn gives_reason(argument: &Expr) -> bool {
    match argument {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(words) => words.value().split_whitespace().count() >= 2,
            _ => true,
        },
        _ => true,
    }
}
