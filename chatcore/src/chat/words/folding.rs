//! Texts as words are compared: what looks alike, or is not seen, makes no difference.

use icu_casemap::CaseMapper;
use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{CanonicalCombiningClass, DefaultIgnorableCodePoint, GeneralCategory},
};

/// A part of a text, in bytes.
pub(super) type Part = (usize, usize);

/// A character of a folded text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sign {
    pub(super) sign: char,
    /// The character of the text that it comes from.
    pub(super) part: Part,
}

impl Sign {
    /// Whether words consist of such characters.
    pub(super) fn is_of_word(self) -> bool {
        self.sign.is_alphanumeric() || is_mark(self.sign)
    }
}

/// Whether a character changes the one before it.
pub(super) fn is_mark(sign: char) -> bool {
    matches!(
        CodePointMapData::<GeneralCategory>::new().get(sign),
        GeneralCategory::NonspacingMark | GeneralCategory::SpacingMark | GeneralCategory::EnclosingMark
    )
}

/// Whether a character is not drawn.
pub(super) fn is_ignorable(sign: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(sign)
}

/// Whether a mark is an accent, a point, a stroke or a frame. The vowel signs of the scripts of India and of Thailand are none of these, nor
/// are the voicing marks of Japanese: without them a word is another word.
fn is_accent(sign: char) -> bool {
    let CanonicalCombiningClass(class) = CodePointMapData::<CanonicalCombiningClass>::new().get(sign);
    matches!(class, 1 | 10..=36 | 200..)
        || CodePointMapData::<GeneralCategory>::new().get(sign) == GeneralCategory::EnclosingMark
}

/// A text in the compatibility form of Unicode (NFKD), in small letters, without what is not drawn and without accents.
pub(super) fn folded(text: &str) -> Vec<Sign> {
    let (forms, cases) = (DecomposingNormalizerBorrowed::new_nfkd(), CaseMapper::new());
    let mut folded = Vec::with_capacity(text.len());
    for (at, sign) in text.char_indices() {
        let part = (at, at + sign.len_utf8());
        if sign.is_ascii() {
            folded.push(Sign { sign: sign.to_ascii_lowercase(), part });
        } else if !is_ignorable(sign) {
            let signs = forms.normalize_iter(std::iter::once(sign)).filter(|sign| !is_accent(*sign));
            folded.extend(signs.map(|sign| Sign { sign: cases.simple_fold(sign), part }));
        }
    }
    folded
}

/// A word as it is compared.
pub(super) fn word(text: &str) -> String {
    folded(text).into_iter().map(|sign| sign.sign).collect()
}

/// Whether a text is one word.
pub(super) fn is_word(text: &str) -> bool {
    let folded = folded(text);
    !folded.is_empty() && folded.into_iter().all(Sign::is_of_word)
}

/// The parts of a text that are words for which `is_listed` says so. A part goes up to the next character that is compared, so that it has
/// the accents of its word.
pub(super) fn words(text: &str, is_listed: impl Fn(&str) -> bool) -> Vec<Part> {
    let (mut found, mut word, mut start) = (Vec::new(), String::new(), 0);
    let end = Sign { sign: ' ', part: (text.len(), text.len()) };
    let mut last = 0;
    for sign in folded(text).into_iter().chain([end]) {
        let (from, to) = sign.part;
        if sign.is_of_word() {
            if word.is_empty() {
                start = from;
            }
            word.push(sign.sign);
        } else {
            if !word.is_empty() && is_listed(&word) {
                // One character of the text can be many that are compared.
                found.push((start, from.max(last)));
            }
            word.clear();
        }
        last = to;
    }
    found
}
