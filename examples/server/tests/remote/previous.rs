//! The program of the release before this one.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The commit of that release.
const COMMIT: &str = "8957cf1e3b49051fe4d121a70cb9dd76309e7bca";
/// The path of the program, or `build`.
const VARIABLE: &str = "CHATCORE_PREVIOUS_SERVER";

/// The program: the one that the variable names, or one that is built where the variable says `build`, or was built so before. `None`, and a word
/// about it, where there is none: a build takes long.
pub(crate) fn program() -> Option<PathBuf> {
    let kept = cache().map(|folder| folder.join("chat-server"));
    match env::var(VARIABLE) {
        Ok(asked) if asked == "build" => {
            let kept = kept.expect("a home folder, to keep the program in");
            if !kept.is_file() {
                build(kept.parent().unwrap());
            }
            Some(kept)
        }
        Ok(path) => {
            assert!(Path::new(&path).is_file(), "{VARIABLE}: there is no program at {path}");
            Some(PathBuf::from(path))
        }
        Err(_) => {
            let kept = kept.filter(|program| program.is_file());
            if kept.is_none() {
                // Not by `eprintln!`, which is not shown for a test that passes.
                let _ = writeln!(
                    std::io::stderr(),
                    "\n*** NOT TESTED: a rolling upgrade from release {COMMIT:.7}. {VARIABLE}=build builds that release once, \
                    {VARIABLE}=PATH names its chat-server. ***\n"
                );
            }
            kept
        }
    }
}

fn cache() -> Option<PathBuf> {
    Some(Path::new(&env::var_os("HOME")?).join(".cache/chatcore-previous").join(COMMIT))
}

/// Builds the release in a folder, and keeps nothing of it but the program.
fn build(folder: &Path) {
    let (source, target) = (folder.join("source"), folder.join("target"));
    fs::create_dir_all(&source).unwrap();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let archive =
        Command::new("git").arg("-C").arg(repository).args(["archive", COMMIT]).stdout(Stdio::piped()).spawn();
    let mut archive = archive.expect("git");
    let unpacked = Command::new("tar")
        .arg("-x")
        .arg("-C")
        .arg(&source)
        .stdin(archive.stdout.take().unwrap())
        .status()
        .expect("tar");
    assert!(archive.wait().unwrap().success() && unpacked.success(), "{COMMIT} is not in this repository");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--locked", "-p", "chat-server"])
        .current_dir(&source)
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .expect("cargo");
    assert!(built.success(), "release {COMMIT} cannot be built");
    // Under its own name only once it is complete.
    fs::rename(target.join("debug/chat-server"), folder.join("chat-server")).unwrap();
    fs::remove_dir_all(source).unwrap();
    fs::remove_dir_all(target).unwrap();
}
