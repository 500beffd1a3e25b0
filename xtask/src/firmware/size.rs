//! What the image takes of the chip's memory.

use std::path::Path;

use anyhow::{Context as _, Result};
use xshell::{Shell, cmd};

use super::{build, tools};

/// Of the ESP8266, in KiB.
const DATA_KIB: u64 = 80;
const CODE_KIB: u64 = 32;
/// What outlives a reset.
const KEPT: u64 = 512 + 16;
/// The linker script refuses more.
const DATA_AIM: u64 = 32 << 10;
/// How many of the largest things are listed.
const LARGEST: usize = 12;

pub(crate) fn print(shell: &Shell) -> Result<()> {
    let image = build::image(shell)?;
    let readelf = tools::READELF;
    let sections = cmd!(shell, "{readelf} -SW {image}").quiet().read()?;
    let size = |name: &str| -> Result<u64> {
        let line = sections
            .lines()
            .find(|line| {
                line.split(']')
                    .nth(1)
                    .is_some_and(|rest| rest.split_whitespace().next() == Some(name))
            })
            .with_context(|| format!("the image has no section `{name}`"))?;
        let fields = line.split(']').nth(1).unwrap_or_default();
        let hex = fields.split_whitespace().nth(4).unwrap_or_default();
        Ok(u64::from_str_radix(hex, 16)?)
    };
    let (code, flash) = (size(".code")?, size(".flash")?);
    let (data, constants, zeroed) = (size(".data").unwrap_or(0), size(".rodata")?, size(".bss")?);
    let build_id = size(".note.gnu.build-id")?;
    println!("| part | where | bytes |");
    println!("|---|---|---|");
    println!("| vectors, start | instruction RAM ({CODE_KIB} KiB) | {code} |");
    println!("| code | flash | {flash} |");
    println!("| constants | data RAM ({DATA_KIB} KiB), flash | {constants} |");
    println!("| build id | data RAM, flash | {build_id} |");
    println!("| data with a value | data RAM, flash | {data} |");
    println!("| data without | data RAM | {zeroed} |");
    println!(
        "| image | flash | {} |",
        code + flash + constants + build_id + data
    );
    let (stack, total) = (
        symbol(shell, &image, "_stack_bytes")?,
        symbol(shell, &image, "_data_bytes")?,
    );
    println!("| stack, with a reserve | data RAM | {stack} |");
    println!("| kept over a reset | real-time clock's memory | {KEPT} |");
    println!("| data RAM in all | aim: {DATA_AIM} | {total} |");
    println!();
    println!("the largest in data RAM and code:");
    let nm = tools::NM;
    let symbols = cmd!(
        shell,
        "{nm} --size-sort --reverse-sort --print-size --demangle {image}"
    )
    .quiet()
    .read()?;
    for line in symbols.lines().take(LARGEST) {
        let mut fields = line.splitn(4, ' ');
        let (_, size, _, name) = (fields.next(), fields.next(), fields.next(), fields.next());
        let bytes = u64::from_str_radix(size.unwrap_or_default(), 16)?;
        println!("{bytes:>8}  {}", name.unwrap_or_default());
    }
    Ok(())
}

/// A number that the linker script gives.
fn symbol(shell: &Shell, image: &Path, name: &str) -> Result<u64> {
    let nm = tools::NM;
    let symbols = cmd!(shell, "{nm} {image}").quiet().read()?;
    let mut lines = symbols.lines().map(|line| line.split_whitespace());
    let value = lines.find_map(|mut fields| {
        let value = fields.next()?;
        (fields.nth(1)? == name).then(|| u64::from_str_radix(value, 16))
    });
    Ok(value.with_context(|| format!("the image has no symbol `{name}`"))??)
}
