//! Tells the program which commit it was built from: `UWASA_COMMIT` if it is set, else what `.git` says, else `unknown`.

use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-env-changed=UWASA_COMMIT");
    let given = std::env::var("UWASA_COMMIT").ok();
    let commit = given.or_else(head).unwrap_or_else(|| "unknown".into());
    println!("cargo:rustc-env=UWASA_COMMIT={commit}");
}

/// The commit that is checked out.
fn head() -> Option<String> {
    let git = git_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.git"))?;
    let head = read(&git.join("HEAD"))?;
    let Some(name) = head.strip_prefix("ref: ") else { return Some(head) };
    // A second worktree has its own HEAD and shares the branches.
    let common = read(&git.join("commondir")).map_or_else(|| git.clone(), |dir| git.join(dir));
    let packed = || {
        let all = read(&common.join("packed-refs"))?;
        let line = all.lines().find(|line| line.ends_with(name))?;
        line.split(' ').next().map(str::to_owned)
    };
    read(&common.join(name)).or_else(packed)
}

/// `.git` is a folder, or in a second worktree a file that names one.
fn git_dir(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return Some(path.into());
    }
    read(path)?.strip_prefix("gitdir: ").map(PathBuf::from)
}

/// A small file, which a new commit changes.
fn read(path: &Path) -> Option<String> {
    if path.exists() {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}
