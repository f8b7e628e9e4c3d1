//! The image: its file, and that nothing is missing in it.

use std::{fs, process::Command};

use tempfile::TempDir;
use tgs_tests::{
    deployment::{file, hadolint, text},
    program::{Finished, binary, in_repository},
    skipping::skipped,
    tables::numbers,
};

use super::assert_pinned;

#[test]
fn the_dockerfile_is_as_it_should_be() {
    let said = hadolint().expect_status(0);
    assert_eq!(said.stdout, "");
    let text = text("Dockerfile");
    let from = text.lines().filter_map(|line| line.strip_prefix("FROM "));
    from.for_each(|base| assert_pinned(base.split(' ').next().unwrap_or_default()));
    assert!(text.contains("USER 10001:10001") && text.contains("HEALTHCHECK"));
    let wanted = fs::read_to_string(in_repository("Cargo.toml")).expect("a file");
    let rust = wanted.split("rust-version = \"").nth(1).and_then(|it| it.split('"').next());
    assert!(text.contains(&format!("FROM rust:{}", rust.expect("a version"))), "{rust:?}");
}

/// The second stage of the image as a folder: the binary starts there with what is laid out, and
/// with what the base brings.
#[test]
fn the_image_holds_all_that_the_binary_needs() {
    let folder = TempDir::new().expect("a temporary folder");
    let root = folder.path().join("root");
    let libtorch = libraries();
    let said = Command::new(file("pick-runtime")).arg(&libtorch).arg(binary()).arg(&root).output();
    let _ = Finished::from(said.expect("bash runs")).expect_status(0);
    let loaded = Command::new("ldd").arg(binary()).output().expect("ldd runs");
    let loaded = String::from_utf8_lossy(&loaded.stdout).into_owned();
    let of_base = [
        "libc.so",
        "libm.so",
        "libdl.so",
        "librt.so",
        "libpthread.so",
        "libutil.so",
        "libgcc_s.so",
        "libstdc++.so",
    ];
    for line in loaded.lines() {
        let Some((name, place)) = line.trim().split_once(" => ") else { continue };
        let place = place.split(' ').next().unwrap_or_default();
        let laid_out = root.join(place.trim_start_matches('/'));
        if of_base.iter().any(|it| name.starts_with(it)) {
            let parent = laid_out.parent().expect("a folder");
            fs::create_dir_all(parent).expect("our own folder");
            fs::copy(place, &laid_out).expect("a library of this machine");
        } else {
            assert!(laid_out.is_file(), "{name} is neither laid out nor in the base of the image");
        }
    }
    let loader = loaded
        .lines()
        .find_map(|line| line.trim().split(' ').next().filter(|it| it.starts_with("/lib")));
    let loader = loader.expect("a loader").to_owned();
    let inside = root.join(loader.trim_start_matches('/'));
    fs::create_dir_all(inside.parent().expect("a folder")).expect("our own folder");
    fs::copy(&loader, &inside).expect("the loader of this machine");
    fs::create_dir_all(root.join("proc")).expect("our own folder");
    fs::create_dir_all(root.join("work")).expect("our own folder");
    fs::write(root.join("work/small.csv"), numbers(200)).expect("our own folder");
    let enter = "mount --rbind /proc \"$1/proc\" && exec chroot \"$@\"";
    let words = "synth /work/small.csv --steps 5 -o /work/made.csv --home /work/home";
    let run = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", enter, "sh"])
        .arg(&root)
        .arg("/usr/local/bin/tgs")
        .args(words.split(' '))
        .output();
    let run = Finished::from(run.expect("util-linux has it"));
    if run.status == Some(1) && run.stderr.starts_with("unshare:") {
        return skipped("the binary in the root of its image", run.stderr.trim());
    }
    // So short a training may be held back by a gate.
    assert!(matches!(run.status, Some(0 | 3)), "{run:?}");
    assert!(run.status == Some(3) || root.join("work/made.csv").is_file(), "{run:?}");
}

/// Where the binary was told that libtorch is.
fn libraries() -> String {
    let loaded = Command::new("ldd").arg(binary()).output().expect("ldd runs");
    let loaded = String::from_utf8_lossy(&loaded.stdout).into_owned();
    let place = loaded.lines().find_map(|line| line.trim().strip_prefix("libtorch_cpu.so => "));
    let place = place.and_then(|it| it.split("/lib/libtorch_cpu").next());
    place.unwrap_or_else(|| panic!("no libtorch: {loaded}")).to_owned()
}
