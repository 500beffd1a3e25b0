//! The screen in ASCII alone, for terminals and fonts that have nothing else.

use ratatui::buffer::Buffer;

/// Replaces every cell that is not ASCII by the nearest that is.
pub(super) fn translate(buf: &mut Buffer) {
    for cell in &mut buf.content {
        let symbol = cell.symbol();
        if symbol.is_ascii() {
            continue;
        }
        let ascii = match symbol.chars().next().unwrap_or(' ') {
            '│' | '┃' | '▏' | '┆' => '|',
            '─' | '━' | '—' => '-',
            '┌' | '┐' | '└' | '┘' | '├' | '┤' => '+',
            '▌' | '▶' => '>',
            '▼' => 'v',
            '…' | '·' => '.',
            '•' | '●' => '*',
            '▁' | '▂' => '_',
            '▃' | '▄' => '-',
            '▅' | '▆' => '=',
            '▇' | '█' => '#',
            '↑' => '^',
            '↓' => 'v',
            '←' => '<',
            '→' => '>',
            '°' => ' ',
            'Δ' => 'd',
            '\u{2800}' => ' ',
            _ => '?',
        };
        cell.set_char(ascii);
    }
}
