//! Which characters a reader can see.

use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};

/// Characters that are drawn as nothing or as a gap, although Unicode counts them neither as white space nor as default
/// ignorable: MUSICAL SYMBOL NULL NOTEHEAD, BRAILLE PATTERN BLANK, the annotation characters with OBJECT REPLACEMENT
/// CHARACTER, KHITAN SMALL SCRIPT FILLER, and the blanks of Egyptian hieroglyphs.
const fn is_blank(c: char) -> bool {
    matches!(c, '\u{2800}' | '\u{fff9}'..='\u{fffc}' | '\u{13441}'..='\u{13442}' | '\u{16fe4}' | '\u{1d159}')
}

/// Whether at least one character of a text can be seen.
pub(crate) fn is_visible(text: &str) -> bool {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    text.chars().any(|c| !(c.is_whitespace() || c.is_control() || is_blank(c) || ignorable.contains(c)))
}

/// Whether a character embeds, overrides or isolates a direction of writing (Unicode Standard Annex #9, section 2). Such
/// a character in a line of text changes how the text around the line is shown. Marks, which change nothing beyond
/// themselves, are none of these.
pub(crate) const fn turns_text(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character ends a line, besides control characters.
pub(crate) const fn ends_line(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_draws_something_is_visible() {
        let invisible = [
            "",
            " ",
            "\t\n\u{0}\u{7f}\u{85}",
            "\u{a0}\u{2003}\u{3000}\u{2028}",
            "\u{200b}",
            "\u{200c}\u{200d}\u{2060}\u{feff}",
            "\u{ad}",
            "\u{34f}\u{61c}\u{180b}\u{180e}",
            "\u{115f}\u{1160}\u{3164}\u{ffa0}",
            "\u{17b4}\u{17b5}",
            "\u{2800}",
            "\u{fe00}\u{fe0f}\u{e0100}\u{e01ef}",
            "\u{200e}\u{200f}\u{202e}\u{2066}\u{2069}\u{206f}",
            "\u{e0001}\u{e0041}\u{e007f}",
            "\u{1d159}\u{1d173}\u{16fe4}\u{fffc}\u{13441}",
            " \u{200b} \u{2800}\n",
        ];
        for text in invisible {
            assert!(!is_visible(text), "{text:?}");
        }
        let visible = [
            "a",
            "\u{200b}a",
            ".",
            "\u{301}",
            "\u{e000}",
            "\u{fffd}",
            "\u{2801}",
            "\u{600}",
            "\u{1f3f4}\u{e0067}\u{e007f}",
            "\u{2764}\u{fe0f}",
            "\u{5e9}\u{200f}",
            "\u{ac00}",
        ];
        for text in visible {
            assert!(is_visible(text), "{text:?}");
        }
    }
}
