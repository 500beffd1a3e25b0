//! Assembly as LLVM writes it, made fit for the GNU assembler.
//!
//! The processor loads constants from memory close before the code, its literals. LLVM's own
//! assembler does not place them well, so GNU's is used; for that, two things have to change:
//!
//! - LLVM prints a function's literals before the lines that switch to the function's section, so
//!   they would end up in the section before. They are held back until the function's `.type` line.
//! - A symbol whose name has other characters than usual is quoted everywhere but in literals.
//!
//! And one thing is for the chip: the tables of a `match` lie among constants of all kinds, which
//! have to be in data RAM because flash is only read in words. These are words, so they get
//! sections of their own, `.jumps`, that the linker script puts into flash.

use anyhow::{Result, ensure};

/// Label of a table of jumps, which is all that its section has.
const JUMPS_LABEL: &str = ".LJTI";
const CONSTANTS: &str = ".rodata.";
const JUMPS: &str = ".jumps.";

/// Rewrites the assembly of a crate.
pub(crate) fn place(assembly: &str) -> Result<String> {
    let mut placed = String::with_capacity(assembly.len());
    let mut held = Vec::new();
    // Where the last line that chose a section begins.
    let mut section_at = 0;
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
        if words.starts_with(".section") {
            section_at = placed.len();
        }
        if words.starts_with(JUMPS_LABEL) {
            let jumps = placed.split_off(section_at);
            placed.push_str(&jumps.replacen(CONSTANTS, JUMPS, 1));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_jumps_leave_the_constants() {
        let assembly = "\t.section\t.rodata..Ltext,\"aMS\",@progbits,1\n\
            \t.asciz\t\"text\"\n\
            \t.section\t.rodata._Rf,\"a\",@progbits\n\
            \t.p2align\t2, 0x0\n\
            .LJTI0_0:\n\t.long\t.LBB0_9\n\
            .LJTI0_1:\n\t.long\t.LBB0_7\n";
        let expected = assembly.replace(".rodata._Rf", ".jumps._Rf");
        assert_eq!(place(assembly).unwrap(), expected);
    }
}
