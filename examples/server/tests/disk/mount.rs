//! A small disk that only this test and its server see.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use tempfile::TempDir;

use crate::kit::{Server, command_by, folder};

/// Which disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 24 MiB of memory.
    Small,
    /// A file system in a file, that can fail as one on a device does.
    Real,
}

impl Kind {
    fn mount(self) -> &'static str {
        match self {
            Self::Small => "mount -t tmpfs -o size=24m tmpfs data",
            Self::Real => "truncate -s 48M image && mkfs.ext4 -q image && mount -o loop image data",
        }
    }
}

/// A disk, mounted at the server's data folder. It is gone with this value.
pub(crate) struct Disk {
    folder: TempDir,
    /// Keeps the mount for as long as its input is open.
    holder: Child,
    input: Option<ChildStdin>,
}

impl Disk {
    /// Mounts one; none, said loudly, where that is not allowed. That is a failure on CI.
    pub(crate) fn mount(kind: Kind) -> Option<Self> {
        match Self::try_mount(kind) {
            Ok(disk) => Some(disk),
            Err(why) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("no disk for this test: {why}"),
            Err(why) => {
                // Past the harness, which shows only what a failing test says.
                let _ = writeln!(io::stderr(), "SKIPPED: no disk could be mounted for a test of full disks: {why}");
                None
            }
        }
    }

    fn try_mount(kind: Kind) -> Result<Self, String> {
        let folder = folder();
        fs::create_dir(folder.path().join("data")).unwrap();
        // The secret lies outside of the disk, so that tokens can be made without it.
        fs::write(folder.path().join("chat-server.toml"), "secret_file = \"secret\"\n").unwrap();
        let mut secret =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.path().join("secret")).unwrap();
        secret.write_all(b"a secret for tests, long enough for HS256\n").unwrap();
        let script = format!("{} && echo mounted && exec cat >&2", kind.mount());
        let flags: &[&str] = if is_root() { &["-m"] } else { &["-rm"] };
        let mut holder = Command::new("unshare")
            .args(flags)
            .args(["sh", "-c", &script])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let input = holder.stdin.take();
        if line.trim() != "mounted" {
            let output = holder.wait_with_output().unwrap();
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        Ok(Self { folder, holder, input })
    }

    /// The folder above the disk.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The disk, as its server sees it.
    fn inside(&self) -> PathBuf {
        let folder = self.folder().strip_prefix("/").unwrap();
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(folder).join("data")
    }

    /// What runs another program where the disk is mounted.
    fn by(&self) -> Vec<String> {
        let folder = self.folder().to_str().unwrap().to_owned();
        let mut by = vec!["nsenter".to_owned(), format!("--target={}", self.holder.id()), "--mount".to_owned()];
        if !is_root() {
            by.extend(["--user".to_owned(), "--preserve-credentials".to_owned()]);
        }
        // The working directory of the test is not the one with the disk, although it has the same name.
        by.extend(["sh".to_owned(), "-c".to_owned(), "cd \"$0\" && exec \"$@\"".to_owned(), folder]);
        by
    }

    pub(crate) fn start(&self) -> Server {
        Server::start_by(command_by(&self.by(), self.folder()), self.folder(), &[])
    }

    /// What the server says when it is started and gives up.
    pub(crate) fn refuses_to_start(&self) -> String {
        let output = command_by(&self.by(), self.folder()).args(["--listen", "127.0.0.1:0"]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(output.stdout.is_empty(), "it said that it listens: {stderr}");
        let said = stderr.lines().rfind(|line| line.starts_with("chat-server:"));
        said.unwrap_or_else(|| panic!("{stderr}")).to_owned()
    }

    /// Puts something in, until nothing more goes in.
    pub(crate) fn fill(&self) {
        let mut ballast = OpenOptions::new().append(true).create(true).open(self.inside().join("ballast")).unwrap();
        for size in [1 << 20, 4096, 1] {
            let block = vec![b'x'; size];
            while ballast.write_all(&block).is_ok() {}
        }
    }

    /// Takes it out again.
    pub(crate) fn make_room(&self) {
        fs::remove_file(self.inside().join("ballast")).unwrap();
    }

    pub(crate) fn read_only(&self, is_read_only: bool) {
        self.run(if is_read_only { "mount -o remount,ro data" } else { "mount -o remount,rw data" });
    }

    /// From now on nothing can be written, as the system does it when the device under a file system fails.
    pub(crate) fn fail(&self) {
        self.run("mount -o remount,abort data");
    }

    /// As after the device was seen to.
    pub(crate) fn repair(&self) {
        self.run("umount data && { e2fsck -p image >/dev/null || test $? -le 2; } && mount -o loop image data");
    }

    fn run(&self, script: &str) {
        let by = self.by();
        let output = Command::new(&by[0]).args(&by[1..]).args(["sh", "-c", script]).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.holder.wait();
    }
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
