//! The repository as the house rules see it: text files, and which lines of Rust are only for
//! tests.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, Item, spanned::Spanned};

/// One text file.
pub struct File {
    /// Path from the root of the repository, with `/`.
    pub path: String,
    /// Content.
    pub text: String,
}

/// Every text file of the repository.
pub struct Tree {
    /// Files in order of their paths.
    pub files: Vec<File>,
    /// Rust files, and folders of them, that exist only for tests.
    test_paths: BTreeSet<String>,
}

/// One place where a rule is not kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path from the root of the repository.
    pub path: String,
    /// Line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is there.
    pub what: String,
}

/// Folders that hold nothing of ours.
const SKIPPED: &[&str] = &["target", "out", "node_modules", ".git", ".cargo", ".venv"];

impl Tree {
    /// Reads the repository around this package.
    pub fn read() -> Self {
        let root = root();
        let mut paths = Vec::new();
        collect(&root, &mut paths);
        paths.sort();
        let files = paths.iter().filter_map(|path| {
            let text = fs::read_to_string(path).ok()?;
            let path = path.strip_prefix(&root).expect("found below the root");
            Some(File { path: path.to_string_lossy().replace('\\', "/"), text })
        });
        Self::of(files.collect())
    }

    /// A tree of made-up files.
    pub fn of(files: Vec<File>) -> Self {
        let mut test_paths = BTreeSet::new();
        for file in files.iter().filter(|file| file.is_rust()) {
            file.declare_test_modules(&mut test_paths);
        }
        Self { files, test_paths }
    }

    /// Every Rust file.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust())
    }

    /// A file that exists only for tests: of the package of tests, of the conformance suites, or
    /// declared under `cfg(test)`.
    pub fn is_test(&self, file: &File) -> bool {
        let folders = file.path.match_indices('/').map(|(at, _)| &file.path[..at]);
        file.path.starts_with("tests/")
            || file.path.starts_with("adapters/src/conformance")
            || file.path.ends_with("/tests.rs")
            || file.path.split('/').nth(1) == Some("tests")
            || self.test_paths.contains(&file.path)
            || folders.into_iter().any(|folder| self.test_paths.contains(folder))
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }
}

impl File {
    /// A made-up file.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// A finding in this file.
    pub fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }

    /// The name without folders and without its ending.
    pub fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.strip_suffix(".rs").unwrap_or(name)
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The file as syntax; none if it does not parse, which the compiler says better.
    pub fn syntax(&self) -> Option<syn::File> {
        syn::parse_file(&self.text).ok()
    }

    /// Lines, from 1, that belong to inline modules under `cfg(test)`.
    pub fn test_lines(&self) -> BTreeSet<usize> {
        let Some(syntax) = self.syntax() else { return BTreeSet::new() };
        let tests = syntax.items.iter().filter(|item| is_for_tests(attributes(item)));
        tests.flat_map(|item| item.span().start().line..=item.span().end().line).collect()
    }

    /// Notes the paths of `#[cfg(test)] mod name;`.
    fn declare_test_modules(&self, paths: &mut BTreeSet<String>) {
        let Some(syntax) = self.syntax() else { return };
        let (folder, _) = self.path.rsplit_once('/').unwrap_or_default();
        let folder = match self.stem() {
            "lib" | "main" => folder.to_owned(),
            stem => format!("{folder}/{stem}"),
        };
        for item in &syntax.items {
            if let Item::Mod(module) = item
                && module.content.is_none()
                && is_for_tests(&module.attrs)
            {
                paths.insert(format!("{folder}/{}.rs", module.ident));
                paths.insert(format!("{folder}/{}", module.ident));
            }
        }
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder").to_owned()
}

/// Whether an item is compiled only for tests.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg_test = attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"));
        is_cfg_test || attribute.path().segments.last().is_some_and(|it| it.ident == "test")
    })
}

/// The attributes of an item.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            collect(&path, paths);
        } else {
            paths.push(path);
        }
    }
}
