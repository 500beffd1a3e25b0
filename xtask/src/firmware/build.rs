//! From source to an ELF file: Rust to assembly with LLVM, then GNU's assembler and linker.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use signalbox_protocol::payload::log::BUILD_BYTES;
use xshell::{Shell, cmd};

use super::{literals, tools};

const TARGET: &str = "xtensa-esp8266-none-elf";
/// The board's crate, as cargo names its files.
const CRATE: &str = "signalbox_lx106_qemu";

/// Log lines down to this level are compiled in, unless `DEFMT_LOG` says otherwise.
const LEVEL: &str = "debug";

/// Builds the image for QEMU; its path.
pub(crate) fn image(shell: &Shell) -> Result<PathBuf> {
    tools::check(shell)?;
    let workspace = tools::workspace(shell);
    let target_dir = workspace.join("target");
    compile(shell, &workspace, &target_dir)?;
    let deps = target_dir.join(TARGET).join("release/deps");
    let out = target_dir.join("firmware");
    shell.create_dir(&out)?;
    let gcc = tools::GCC;
    let (mut objects, mut build) = (Vec::new(), Sha256::new());
    // Debian's libgcc has no division and no 64-bit multiplication; Rust's compiler_builtins has.
    for part in [CRATE, "compiler_builtins"] {
        let assembly = fs::read_to_string(newest(&deps, part)?)?;
        let (source, object) = (
            out.join(part).with_extension("s"),
            out.join(part).with_extension("o"),
        );
        shell.write_file(&source, literals::place(&assembly)?)?;
        build.update(&assembly);
        cmd!(
            shell,
            "{gcc} -c -mtext-section-literals {source} -o {object}"
        )
        .quiet()
        .run()?;
        objects.push(object);
    }
    let board = workspace.join("qemu");
    let (start, object) = (board.join("start.S"), out.join("start.o"));
    cmd!(
        shell,
        "{gcc} -c -mtext-section-literals -mlongcalls {start} -o {object}"
    )
    .quiet()
    .run()?;
    objects.insert(0, object);
    build.update(fs::read(&start)?);
    let script = board.join("link.ld");
    // The linker's own leaves out the names of symbols, and those are the text of log lines.
    let build_id = build_id(build);
    let image = out.join("node.elf");
    cmd!(
        shell,
        "{gcc} -nostdlib -Wl,--gc-sections -Wl,-z,noexecstack -Wl,{build_id} -Wl,-T,{script} {objects...} -lgcc -o {image}"
    )
    .quiet()
    .run()
    .context("the image cannot be linked")?;
    Ok(image)
}

fn compile(shell: &Shell, workspace: &Path, target_dir: &Path) -> Result<()> {
    let _folder = shell.push_dir(workspace);
    // What rustup's cargo sets for the program that it runs is for rustup's compiler.
    for variable in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC_WRAPPER", "RUSTDOC"] {
        shell.set_var(variable, "");
    }
    let _rustc = shell.push_env("RUSTC", tools::RUSTC);
    // To build the library, and for a target that is described by a file.
    let _unstable = shell.push_env("RUSTC_BOOTSTRAP", "1");
    // Paths of source files in panics would take data RAM; the line is kept.
    let flags = "--emit=asm -Ccodegen-units=1 -Zlocation-detail=line";
    // Lines of graver levels than this one are in the image; the station chooses among them.
    let level = env::var("DEFMT_LOG").unwrap_or_else(|_| LEVEL.to_owned());
    let _level = shell.push_env("DEFMT_LOG", level);
    let _flags = shell.push_env("RUSTFLAGS", flags);
    let _target_dir = shell.push_env("CARGO_TARGET_DIR", target_dir);
    let cargo = tools::CARGO;
    let unstable = ["-Zbuild-std=core", "-Zjson-target-spec"];
    let target = workspace.join(TARGET).with_extension("json");
    cmd!(
        shell,
        "{cargo} build --locked --quiet --release {unstable...} --target {target}"
    )
    .quiet()
    .run()
    .context("the firmware does not compile")
}

/// Names the image: a hash of what it is made of.
fn build_id(of: Sha256) -> String {
    let hash = of.finalize();
    let id: String = hash[..BUILD_BYTES]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    format!("--build-id=0x{id}")
}

/// The assembly of a crate; older ones of other versions may lie beside it.
fn newest(deps: &Path, name: &str) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(deps)? {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let ours = file
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('-') && rest.ends_with(".s"));
        if ours {
            found.push((fs::metadata(&path)?.modified()?, path));
        }
    }
    let newest = found.into_iter().max();
    newest
        .map(|(_, path)| path)
        .with_context(|| format!("the compiler has left no assembly of `{name}`"))
}
