//! Numbers that wear something: a currency or a percent sign around them, thousands parted, a
//! comma before the fraction. Read only where the whole column, or the whole file, leaves one
//! meaning.

use tgs_protocol::column::Dress;

use crate::ingest::{gather::Gathered, missing::token, numbers::Comma, part::Part};

/// What may stand before or after a number, besides blanks.
const SIGNS: [&str; 62] = [
    "%", "‰", "$", "€", "£", "¥", "₹", "₽", "₩", "₺", "₴", "₫", "₪", "฿", "₱", "₦", "₡", "₲", "R$",
    "US$", "A$", "C$", "NZ$", "HK$", "S$", "kr", "kr.", "zł", "Kč", "Ft", "lei", "лв", "Fr.", "Rs",
    "Rs.", "USD", "EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "NZD", "CNY", "RMB", "HKD", "SGD",
    "INR", "RUB", "BRL", "MXN", "ZAR", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "TRY",
    "KRW", "ILS",
];
/// What may part thousands, besides the mark that is not before the fraction.
const GAPS: [char; 5] = [' ', '\'', '’', '\u{a0}', '\u{202f}'];
/// Cells of a column that are asked what the marks of the file mean.
const WITNESSES_MAX: usize = 1_000;

/// What a file's clear columns say stands before a fraction; none where they do not agree.
pub fn mark_of_file(columns: &[Vec<Part>], comma: Comma) -> Option<char> {
    let mut found = None;
    for parts in columns {
        let mut marks = Marks::default();
        let (mut seen, mut fits) = (0, true);
        let mut see = |text: &[u8]| {
            seen += 1;
            fits = marks.see(text).is_some();
            fits && seen < WITNESSES_MAX
        };
        parts.iter().all(|part| part.each_text_while(&mut see));
        if let Some(mark) = marks.clear(comma).filter(|_| fits) {
            (*found.get_or_insert(mark) == mark).then_some(())?;
        }
    }
    found
}

/// The one dress in which every cell is a number, if there is one. `by_file` is the mark before a
/// fraction in columns where it is clear.
pub fn dress_of(gathered: &Gathered, comma: Comma, by_file: Option<char>) -> Option<Dress> {
    let mut marks = Marks::default();
    let mut fits = true;
    let mut see = |text: &[u8]| {
        fits = marks.see(text).is_some();
        fits
    };
    match gathered {
        Gathered::Levels(levels) => {
            levels.dictionary.iter().all(see);
        }
        Gathered::Numbers(_) | Gathered::Texts(_) => gathered.each_text(&mut see),
    }
    if fits { marks.dress(comma, by_file) } else { None }
}

/// The number without its dress, as it would be written with a point; none if it wears another.
pub fn undressed(text: &[u8], dress: &Dress) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (sign, rest) = number_within(text, &dress.prefix, &dress.suffix)?;
    let mark = if dress.comma { ',' } else { '.' };
    let at = rest.find([mark, 'e', 'E']).unwrap_or(rest.len());
    let (whole, fraction) = rest.split_at(at);
    let parted = dress.group.filter(|group| whole.contains(*group));
    let whole = match parted {
        Some(group) if !is_grouped(whole, group) => return None,
        Some(group) => whole.replace(group, ""),
        None => whole.to_owned(),
    };
    let other = if dress.comma { '.' } else { ',' };
    let plain = whole.bytes().all(|byte| byte.is_ascii_digit()) && !fraction.contains(other);
    plain.then(|| format!("{sign}{whole}{}", fraction.replacen(mark, ".", 1)).into_bytes())
}

/// The sign of a number and what follows it, whether the sign stands before or behind the prefix.
fn number_within<'a>(text: &'a str, prefix: &str, suffix: &str) -> Option<(&'a str, &'a str)> {
    let (outer, rest) = signed(text);
    let rest = rest.strip_prefix(prefix)?.strip_suffix(suffix)?;
    if !outer.is_empty() || prefix.is_empty() {
        return Some((outer, rest));
    }
    Some(signed(rest))
}

/// The sign of a number, and what follows it.
fn signed(text: &str) -> (&str, &str) {
    text.split_at(usize::from(text.starts_with(['-', '+'])))
}

fn is_grouped(whole: &str, group: char) -> bool {
    let mut parts = whole.split(group);
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let first = parts.next().unwrap_or_default();
    (1..=3).contains(&first.len())
        && !first.starts_with('0')
        && digits(first)
        && parts.all(|part| part.len() == 3 && digits(part))
}

/// What the points, commas and signs of a column can mean.
#[derive(Debug, Default)]
struct Marks {
    /// What stands before and after each number, once one was seen.
    around: Option<(String, String)>,
    sign_inside: bool,
    /// Surely before a fraction.
    mark: Option<char>,
    /// Surely between thousands.
    group: Option<char>,
    /// Either: `1,234`.
    either: Option<char>,
    /// Bytes of the shortest and of the longest number.
    lengths: Option<(usize, usize)>,
}

impl Marks {
    /// Takes in one more cell; none if it cannot be a number with the others.
    fn see(&mut self, text: &[u8]) -> Option<()> {
        if text.is_empty() || token(text).is_some() {
            return Some(());
        }
        let text = std::str::from_utf8(text).ok()?.trim();
        if self.around.is_none() {
            self.around = Some(around(text)?);
        }
        let (prefix, suffix) = self.around.as_ref()?;
        let (sign, rest) = number_within(text, prefix, suffix)?;
        self.sign_inside |= sign == "-" && !text.starts_with('-');
        let (least, most) = self.lengths.unwrap_or((rest.len(), rest.len()));
        self.lengths = Some((least.min(rest.len()), most.max(rest.len())));
        let number = rest.find(['e', 'E']).map_or(rest, |at| &rest[..at]);
        let mut marks = number.char_indices().filter(|(_, letter)| !letter.is_ascii_digit());
        let Some((at, first)) = marks.next() else { return (!number.is_empty()).then_some(()) };
        let after = &number[at + first.len_utf8()..];
        let further = marks.next_back().map(|(_, letter)| letter);
        let is_mark = |letter: char| matches!(letter, '.' | ',');
        match further {
            None if is_mark(first) => {
                let either = after.len() == 3 && is_grouped(number, first);
                put(if either { &mut self.either } else { &mut self.mark }, first)
            }
            _ if !is_mark(first) && !GAPS.contains(&first) => None,
            Some(last) if last != first && is_mark(last) => {
                let (whole, fraction) = number.rsplit_once(last)?;
                let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
                (digits && is_grouped(whole, first)).then_some(())?;
                put(&mut self.mark, last)?;
                put(&mut self.group, first)
            }
            _ if is_grouped(number, first) => put(&mut self.group, first),
            _ => None,
        }
    }

    /// The mark before a fraction, where this column alone makes it clear.
    fn clear(&self, comma: Comma) -> Option<char> {
        let other = |group: char| match group {
            '.' => Some(','),
            ',' => Some('.'),
            _ => None,
        };
        let mark = self.mark.or_else(|| self.group.and_then(other))?;
        // Between commas that part cells, `1,5` may be two answers of a form.
        let told = comma != Comma::Never || self.group.is_some() || self.wears_a_sign();
        (mark == '.' || told).then_some(mark)
    }

    fn wears_a_sign(&self) -> bool {
        self.around
            .as_ref()
            .is_some_and(|(prefix, suffix)| !(prefix.is_empty() && suffix.is_empty()))
    }

    /// Blanks between groups of three part telephone numbers as well, all equally long.
    fn is_an_amount(&self) -> bool {
        let gaps = self.group.is_some_and(|group| GAPS.contains(&group));
        let varied = self.lengths.is_some_and(|(least, most)| least < most);
        !gaps || varied || self.mark.is_some() || self.wears_a_sign()
    }

    fn dress(self, comma: Comma, by_file: Option<char>) -> Option<Dress> {
        let Self { mark, group, either, .. } = self;
        let (mut mark, mut group) = (mark, group);
        if mark.is_some() && mark == group {
            return None;
        }
        if let Some(either) = either {
            let is_mark = match (mark, group, by_file, comma) {
                (Some(mark), ..) => mark == either,
                (None, Some(group), ..) => group != either,
                (None, None, Some(mark), _) => mark == either,
                (None, None, None, _) if either == '.' => true,
                (None, None, None, Comma::Always) => true,
                (None, None, None, Comma::Thousands) => false,
                (None, None, None, Comma::Never) if self.is_money() => false,
                (None, None, None, Comma::Never | Comma::IfClear) => return None,
            };
            put(if is_mark { &mut mark } else { &mut group }, either)?;
        }
        let clear = Self { mark, group, either: None, ..self };
        let told = mark != Some(',') || by_file == mark || clear.clear(comma).is_some();
        if mark == group && mark.is_some() || !told || !clear.is_an_amount() {
            return None;
        }
        let (prefix, suffix) = clear.around.unwrap_or_default();
        let sign_inside = clear.sign_inside;
        let comma = mark == Some(',') || group == Some('.');
        Some(Dress { prefix, suffix, comma, group, sign_inside })
    }

    /// Money has two digits after the mark, so that `$1,234` is one thousand.
    fn is_money(&self) -> bool {
        let percent = |(_, suffix): &(String, String)| suffix.contains(['%', '‰']);
        self.wears_a_sign() && !self.around.as_ref().is_some_and(percent)
    }
}

/// What stands before and after a number.
fn around(text: &str) -> Option<(String, String)> {
    let is_digit = |letter: char| letter.is_ascii_digit();
    let first = text.find(is_digit)?;
    let last = text.rfind(is_digit)? + 1;
    let known = |around: &str| around.is_empty() || SIGNS.contains(&around.trim());
    let whole = text[..first].trim_start_matches(['-', '+']);
    // A point may belong to the number (`.5`) or to the sign (`Fr. 5`).
    let before = if known(whole) { whole } else { whole.trim_end_matches(['-', '+', '.', ',']) };
    let after = &text[last..];
    let one = before.is_empty() || after.is_empty();
    (one && known(before) && known(after)).then(|| (before.to_owned(), after.to_owned()))
}

/// Keeps what is seen, unless something else was seen before.
fn put(place: &mut Option<char>, seen: char) -> Option<()> {
    (*place.get_or_insert(seen) == seen).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::part::Style;

    fn part(cells: &[&str]) -> Part {
        let mut part = Part::new(Style::Whole);
        cells.iter().for_each(|cell| part.push(cell.as_bytes()));
        part
    }

    fn bare(cells: &[&str], comma: Comma, by_file: Option<char>) -> Option<Vec<String>> {
        let gathered = Gathered::join(vec![part(cells)], false, 1_000).expect("fits");
        let dress = dress_of(&gathered, comma, by_file)?;
        let bare = |cell: &&str| undressed(cell.as_bytes(), &dress);
        let bare = |cell: &&str| bare(cell).map(|text| String::from_utf8(text).expect("digits"));
        cells.iter().map(bare).collect()
    }

    #[test]
    fn amounts_are_read_where_they_mean_one_thing() {
        use Comma::{IfClear, Never, Thousands};
        for (cells, comma, by_file, expected) in [
            (&["1.033,39", "999,50"][..], Never, None, Some("1033.39 999.50")),
            (&["12,345.67", "1"], Never, None, Some("12345.67 1")),
            (&["51.0%", "-2.5%"], Never, None, Some("51.0 -2.5")),
            (&["51 %", "2 %"], Never, None, Some("51 2")),
            (&["$86.57", "-$1,000.00"], Never, None, Some("86.57 -1000.00")),
            (&["$-86.57", "$1.00"], Never, None, Some("-86.57 1.00")),
            (&["$1,234", "$999"], Never, None, Some("1234 999")),
            (&["93.92 €", "1.00 €"], Never, None, Some("93.92 1.00")),
            (&["1,459 €", "1,469 €"], IfClear, None, None),
            (&["1,459 €", "1,469 €"], IfClear, Some(','), Some("1.459 1.469")),
            (&["EUR 1'000", "EUR 5"], Never, None, Some("1000 5")),
            (&["1\u{a0}000,5", "2"], IfClear, None, Some("1000.5 2")),
            (&["1,234", "999"], IfClear, Some('.'), Some("1234 999")),
            (&["1,234", "999"], IfClear, None, None),
            (&["1,234", "999"], Thousands, None, Some("1234 999")),
            (&["1.234", "999"], IfClear, Some(','), Some("1234 999")),
            (&["1.234", "999"], IfClear, None, Some("1.234 999")),
            (&["600 123 456", "601 222 333"], Never, None, None),
            (&["600 123", "22 333 444"], Never, None, Some("600123 22333444")),
            (&["1,5", "2"], Never, None, None),
            (&["1,5", "2"], Never, Some(','), Some("1.5 2")),
            (&["Fr. 5", "Fr. .5"], Never, None, Some("5 .5")),
            (&["$5", "5"], Never, None, None),
            (&["5 kg", "7 kg"], Never, None, None),
            (&["01.02.2020"], Never, None, None),
            (&["1.2.3"], Never, None, None),
            (&["$5%"], Never, None, None),
        ] {
            let found = bare(cells, comma, by_file).map(|cells| cells.join(" "));
            assert_eq!(found.as_deref(), expected, "{cells:?} {comma:?} {by_file:?}");
        }
    }

    #[test]
    fn a_file_tells_its_mark_where_its_columns_agree() {
        for (columns, comma, mark) in [
            (&[&["1,5"][..], &["1.234"]][..], Comma::IfClear, Some(',')),
            (&[&["1,5"], &["1.5"]], Comma::IfClear, None),
            (&[&["1,5"], &["1.5"]], Comma::Never, Some('.')),
            (&[&["1.234,5"], &["x"]], Comma::Never, Some(',')),
            (&[&["1,234"], &["7"]], Comma::IfClear, None),
        ] {
            let parts: Vec<Vec<Part>> = columns.iter().map(|cells| vec![part(cells)]).collect();
            assert_eq!(mark_of_file(&parts, comma), mark, "{columns:?}");
        }
    }
}
