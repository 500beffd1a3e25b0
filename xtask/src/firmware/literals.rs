//! Assembly as LLVM writes it, made fit for the GNU assembler.
//!
//! The processor loads constants from memory close before the code, its literals. LLVM's own
//! assembler does not place them well, so GNU's is used; for that, two things have to change:
//!
//! - LLVM prints a function's literals before the lines that switch to the function's section, so
//!   they would end up in the section before. They are held back until the function's `.type` line.
//! - A symbol whose name has other characters than usual is quoted everywhere but in literals.

use anyhow::{Result, ensure};

/// Rewrites the assembly of a crate.
pub(crate) fn place(assembly: &str) -> Result<String> {
    let mut placed = String::with_capacity(assembly.len());
    let mut held = Vec::new();
    for line in assembly.lines() {
        let words = line.trim_start();
        if words.starts_with(".literal") {
            held.push(quoted(line));
            continue;
        }
        if words.starts_with(".type") && words.trim_end().ends_with("@function") {
            for literal in held.drain(..) {
                placed.push_str(&literal);
                placed.push('\n');
            }
        }
        placed.push_str(line);
        placed.push('\n');
    }
    ensure!(
        held.is_empty(),
        "{} literals belong to no function; the first is `{}`",
        held.len(),
        held[0].trim()
    );
    Ok(placed)
}

/// A literal with its symbol in quotes, where it needs them: `.literal NAME, {...}+4`.
fn quoted(line: &str) -> String {
    let Some((name, symbol)) = line.split_once(", {") else {
        return line.to_owned();
    };
    // The last brace ends the symbol; what follows is an offset.
    let (symbol, offset) = symbol.rsplit_once('}').unwrap_or((symbol, ""));
    let symbol = symbol.replace('\\', r"\\").replace('"', r#"\""#);
    format!("{name}, \"{{{symbol}}}\"{offset}")
}
