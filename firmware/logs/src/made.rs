//! Images for tests, made by hand: this crate's, and those of whoever uses it (feature `made`).
#![expect(clippy::missing_panics_doc, reason = "for tests")]

use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
    write::{Object, Symbol, SymbolSection},
};

/// Of every image.
pub const BUILD: [u8; 8] = *b"\x01\x23\x45\x67\x89\xab\xcd\xef";

/// An image with these symbols in `.defmt`, and a build id.
#[must_use]
pub fn image(symbols: &[(u64, &str)], has_build: bool) -> Vec<u8> {
    let mut image = Object::new(BinaryFormat::Elf, Architecture::I386, Endianness::Little);
    if has_build {
        let name = b".note.gnu.build-id".to_vec();
        let note = image.add_section(Vec::new(), name, SectionKind::Note);
        let mut bytes = Vec::new();
        for word in [4_u32, 8, 3] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(b"GNU\0");
        bytes.extend(BUILD);
        image.append_section_data(note, &bytes, 4);
    }
    if !symbols.is_empty() {
        let section = image.add_section(Vec::new(), b".defmt".to_vec(), SectionKind::Other);
        image.append_section_data(section, &[0; 64], 1);
        for (value, name) in symbols {
            image.add_symbol(Symbol {
                name: name.as_bytes().to_vec(),
                value: *value,
                size: 1,
                kind: SymbolKind::Data,
                scope: SymbolScope::Linkage,
                weak: false,
                section: SymbolSection::Section(section),
                flags: SymbolFlags::None,
            });
        }
    }
    image.write().expect("a small image")
}

/// The name of a symbol with this text.
#[must_use]
pub fn symbol(tag: &str, data: &str) -> String {
    serde_json::json!({
        "package": "node", "tag": tag, "data": data, "disambiguator": "1", "crate_name": "node",
    })
    .to_string()
}

/// Of the version that is read.
pub const VERSION: (u64, &str) = (0, "_defmt_version_ = 4");
/// Of the encoding that is read.
pub const ENCODING: (u64, &str) = (0, "_defmt_encoding_ = rzcobs");
