//! The first root file system of a guest: busybox, kmod, e2fsprogs, the modules, the program and its libraries.
//!
//! | path | what |
//! |---|---|
//! | `/init` | the program itself, or a script that prepares the system and runs it |
//! | `/bin/busybox`, `/bin/*` | busybox and a link for each of its applets |
//! | `/bin/kmod`, `/sbin/modprobe` … | the real kmod: it knows soft dependencies, and the kernel calls it |
//! | `/sbin/mkfs.ext4` | the real one |
//! | `/lib/modules/UNAME` | see [`super::modules`] |
//! | `/vm/run` | shell script with the program's environment and arguments |
//! | `/vm/args` | the arguments for a program that is `/init`: each ended by a NUL |

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::cache::FileError;
use super::command::{self, CommandError};
use super::cpio::Writer;
use super::guest::{Guest, Init};
use super::tools;

/// Where the program is in the guest.
const PROGRAM: &str = "/vm/program";
const INIT_SCRIPT: &str = include_str!("init.sh");
const KMOD_NAMES: [&str; 6] = ["modprobe", "insmod", "rmmod", "lsmod", "depmod", "modinfo"];

/// Why a guest's file system could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A file cannot be read or written.
    #[error("the guest's file system cannot be made")]
    File(#[from] FileError),
    /// A helper program failed.
    #[error("the guest's file system cannot be made")]
    Command(#[from] CommandError),
    /// A program needs a shared library that is not on this machine.
    #[error("{program} needs the shared library {library}, which is not on this machine")]
    NoLibrary {
        /// The program.
        program: PathBuf,
        /// The library's name.
        library: String,
    },
}

/// Writes the image of `guest` to `path`; `modules` is the folder that holds `lib/modules`.
pub(crate) fn write(path: &Path, guest: &Guest, modules: &Path) -> Result<(), ImageError> {
    let out = File::create(path).map_err(FileError::new("create", path))?;
    let mut image = Image::new(BufWriter::new(out), path);
    for folder in [
        "proc", "sys", "dev", "tmp", "run", "mnt", "root", "etc", "usr/bin", "usr/sbin", "bin", "sbin",
        "var/tmp",
    ] {
        image.directory(folder)?;
    }
    image.node("dev/console", (5, 1))?;
    image.text("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\n")?;
    image.text("etc/group", 0o644, "root:x:0:\n")?;
    image.text("etc/hosts", 0o644, "127.0.0.1 localhost\n::1 localhost\n")?;

    image.program(&tools::find("kmod"), "bin/kmod")?;
    for name in KMOD_NAMES {
        image.symlink(&format!("sbin/{name}"), "/bin/kmod")?;
    }
    image.program(&tools::find("mkfs.ext4"), "sbin/mkfs.ext4")?;
    if Path::new("/etc/mke2fs.conf").is_file() {
        image.file(Path::new("/etc/mke2fs.conf"), "etc/mke2fs.conf")?;
    }
    let busybox = tools::find("busybox");
    image.program(&busybox, "bin/busybox")?;
    image.tree(&modules.join("lib/modules"), "lib/modules")?;
    for (to, from) in &guest.files {
        image.file(from, to)?;
    }
    for (to, from) in &guest.programs {
        image.program(from, to)?;
    }
    match guest.init {
        Init::Script => {
            image.text("init", 0o755, INIT_SCRIPT)?;
            image.program(&guest.program, PROGRAM)?;
            image.text("vm/run", 0o644, &run_script(guest))?;
        }
        Init::Program => {
            image.program(&guest.program, "init")?;
            let args: String = guest.args.iter().flat_map(|arg| [arg.as_str(), "\0"]).collect();
            image.text("vm/args", 0o644, &args)?;
        }
    }
    // Last: what is there already (kmod's modprobe, mkfs.ext4) is not replaced by an applet.
    let applets = command::text(command::command(&busybox).arg("--list"))?;
    for applet in applets.lines().map(str::trim).filter(|name| !name.is_empty() && !name.contains('/')) {
        if !image.has(&format!("bin/{applet}")) && !image.has(&format!("sbin/{applet}")) {
            image.symlink(&format!("bin/{applet}"), "/bin/busybox")?;
        }
    }
    image.finish()
}

/// Sets the environment and becomes the program.
fn run_script(guest: &Guest) -> String {
    let mut script = String::new();
    for (name, value) in &guest.env {
        script.push_str(&format!("export {name}={}\n", quoted(value)));
    }
    script.push_str("exec ");
    script.push_str(PROGRAM);
    for arg in &guest.args {
        script.push(' ');
        script.push_str(&quoted(arg));
    }
    script.push('\n');
    script
}

/// A word that the shell takes as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The shared libraries a program needs, as `ldd` finds them; none for a static program.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let output = command::command(tools::find("ldd")).arg(program).output();
    let output = output.map_err(|source| CommandError::Start { program: "ldd".to_owned(), source })?;
    // A static program makes ldd fail; it says so on either stream.
    parse_ldd(program, &String::from_utf8_lossy(&output.stdout))
}

fn parse_ldd(program: &Path, text: &str) -> Result<Vec<PathBuf>, ImageError> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        let place = match line.split_once(" => ") {
            Some((library, "not found")) => {
                return Err(ImageError::NoLibrary {
                    program: program.to_owned(),
                    library: library.to_owned(),
                });
            }
            Some((_, place)) => place,
            None => line,
        };
        if let Some(place) = place.split(" (").next().filter(|place| place.starts_with('/')) {
            found.push(PathBuf::from(place));
        }
    }
    Ok(found)
}

/// An archive in the making that knows what it holds.
struct Image<'a> {
    writer: Writer<BufWriter<File>>,
    path: &'a Path,
    held: BTreeSet<String>,
}

impl<'a> Image<'a> {
    fn new(out: BufWriter<File>, path: &'a Path) -> Self {
        Self { writer: Writer::new(out), path, held: BTreeSet::new() }
    }

    fn has(&self, name: &str) -> bool {
        self.held.contains(name.trim_start_matches('/'))
    }

    /// Notes the name and makes its parent directories; false when it was there already.
    fn claim(&mut self, name: &str) -> Result<bool, ImageError> {
        let name = name.trim_start_matches('/');
        if let Some((parent, _)) = name.rsplit_once('/') {
            self.directory(parent)?;
        }
        Ok(self.held.insert(name.to_owned()))
    }

    fn written(&self, result: io::Result<()>) -> Result<(), ImageError> {
        Ok(result.map_err(FileError::new("write", self.path))?)
    }

    fn directory(&mut self, name: &str) -> Result<(), ImageError> {
        if self.claim(name)? {
            let result = self.writer.directory(name, 0o755);
            self.written(result)?;
        }
        Ok(())
    }

    fn text(&mut self, name: &str, mode: u32, text: &str) -> Result<(), ImageError> {
        if self.claim(name)? {
            let result = self.writer.file(name, mode, text.as_bytes());
            self.written(result)?;
        }
        Ok(())
    }

    fn node(&mut self, name: &str, number: (u32, u32)) -> Result<(), ImageError> {
        if self.claim(name)? {
            let result = self.writer.character_device(name, 0o600, number);
            self.written(result)?;
        }
        Ok(())
    }

    fn symlink(&mut self, name: &str, target: &str) -> Result<(), ImageError> {
        if self.claim(name)? {
            let result = self.writer.symlink(name, target);
            self.written(result)?;
        }
        Ok(())
    }

    /// Copies a file of this machine (following links) with its permissions.
    fn file(&mut self, from: &Path, to: &str) -> Result<(), ImageError> {
        if self.claim(to)? {
            let content = fs::read(from).map_err(FileError::new("read", from))?;
            let meta = fs::metadata(from).map_err(FileError::new("read", from))?;
            let result = self.writer.file(to, meta.permissions().mode() & 0o7777, &content);
            self.written(result)?;
        }
        Ok(())
    }

    /// Copies a program and the libraries it needs; the libraries keep their places.
    fn program(&mut self, from: &Path, to: &str) -> Result<(), ImageError> {
        for library in libraries(from)? {
            let place = library.to_string_lossy().into_owned();
            self.file(&library, &place)?;
        }
        self.file(from, to)
    }

    fn tree(&mut self, from: &Path, to: &str) -> Result<(), ImageError> {
        let listing = fs::read_dir(from).map_err(FileError::new("list", from))?;
        let mut names = Vec::new();
        for entry in listing {
            names.push(entry.map_err(FileError::new("list", from))?.file_name());
        }
        names.sort();
        for name in names {
            let (from, to) = (from.join(&name), format!("{to}/{}", name.to_string_lossy()));
            if from.is_dir() {
                self.directory(&to)?;
                self.tree(&from, &to)?;
            } else {
                self.file(&from, &to)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), ImageError> {
        let path = self.path;
        self.writer.finish().map_err(FileError::new("write", path))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::Release;

    #[test]
    fn arguments_survive_the_shell() {
        let guest =
            Guest::new(Release::V6_12, "/bin/true").args(["a b", "it's", "$HOME", "*"]).env("X", "1 2");
        let script = run_script(&guest);
        assert_eq!(script, "export X='1 2'\nexec /vm/program 'a b' 'it'\\''s' '$HOME' '*'\n");
    }

    #[test]
    fn reads_what_ldd_prints() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let found = parse_ldd(Path::new("p"), text).unwrap();
        assert_eq!(
            found,
            [Path::new("/lib/x86_64-linux-gnu/libc.so.6"), Path::new("/lib64/ld-linux-x86-64.so.2")]
        );
        assert!(parse_ldd(Path::new("p"), "\tstatically linked\n").unwrap().is_empty());
        let error = parse_ldd(Path::new("p"), "\tlibx.so.1 => not found\n").unwrap_err();
        assert!(matches!(error, ImageError::NoLibrary { library, .. } if library == "libx.so.1"));
    }

    #[test]
    fn image_makes_parents_once_and_keeps_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let mut image = Image::new(BufWriter::new(File::create(&path).unwrap()), &path);
        image.text("a/b/c", 0o644, "first").unwrap();
        image.text("/a/b/c", 0o644, "second").unwrap();
        image.text("a/b/d", 0o644, "other").unwrap();
        image.finish().unwrap();
        let text = String::from_utf8(fs::read(&path).unwrap()).unwrap();
        assert!(text.contains("first") && !text.contains("second"));
        assert_eq!(text.matches("a/b\0").count(), 1);
    }
}
