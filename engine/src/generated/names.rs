//! Names of people, from lists of our own: as many words as in the source, in the same order and
//! case.
//!
//! Nothing of a name is kept but its form: whether it is one word or several, which comes first,
//! initials and titles.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tgs_protocol::limits::SHARED_ROWS_MIN;

use super::{Writer, prose::Weighted};
use crate::{profile::personal, random::Stream, table::Column};

/// Share of the texts that must have the form of a name.
const SHARE_MIN: f64 = 0.8;
/// Words of a name, titles not counted.
const WORDS_MAX: usize = 5;
/// What may stand before a name; it is kept as it is.
const TITLES: [&str; 6] = ["Dr.", "Mr.", "Mrs.", "Ms.", "Prof.", "Miss"];
/// A first name, a last name and the first letter of a name in a form.
const FIRST: char = 'F';
const LAST: char = 'L';
const INITIAL: char = 'I';

/// Given names of many countries.
const FIRSTS: [&str; 80] = [
    "Ada", "Adil", "Aiko", "Alma", "Amara", "Amir", "Ana", "Anders", "Anika", "Anton", "Asha",
    "Bela", "Berta", "Bruno", "Carla", "Carlos", "Chen", "Clara", "Dalia", "Dario", "David",
    "Diana", "Eda", "Elena", "Elias", "Emil", "Emma", "Erik", "Esra", "Eva", "Farah", "Felix",
    "Finn", "Frida", "Gita", "Greta", "Hana", "Hugo", "Ida", "Igor", "Ilse", "Imani", "Ines",
    "Ivan", "Jana", "Jonas", "Jun", "Karim", "Kofi", "Lara", "Leila", "Leo", "Lina", "Luis",
    "Maja", "Malik", "Marta", "Mei", "Mila", "Nadia", "Nils", "Nina", "Noor", "Olga", "Omar",
    "Oscar", "Paula", "Pedro", "Petra", "Rafael", "Rita", "Rosa", "Samir", "Sara", "Sofia",
    "Tariq", "Tomas", "Vera", "Yara", "Zoe",
];
/// Family names of many countries.
const LASTS: [&str; 80] = [
    "Abe",
    "Adler",
    "Ali",
    "Almeida",
    "Amin",
    "Andersson",
    "Bakker",
    "Banda",
    "Bauer",
    "Becker",
    "Bell",
    "Berg",
    "Bianchi",
    "Brandt",
    "Carter",
    "Castro",
    "Chavez",
    "Cohen",
    "Costa",
    "Dahl",
    "Diallo",
    "Diaz",
    "Dubois",
    "Ekwueme",
    "Eriksen",
    "Fernandez",
    "Fischer",
    "Fontaine",
    "Garcia",
    "Gupta",
    "Haas",
    "Hansen",
    "Hassan",
    "Hoffmann",
    "Horvath",
    "Ibrahim",
    "Ito",
    "Ivanov",
    "Jansen",
    "Johansson",
    "Kaya",
    "Keller",
    "Khan",
    "Kim",
    "Kowalski",
    "Kumar",
    "Lang",
    "Larsen",
    "Lehmann",
    "Lopez",
    "Mensah",
    "Meyer",
    "Moreau",
    "Moreno",
    "Nakamura",
    "Nguyen",
    "Nielsen",
    "Novak",
    "Okafor",
    "Olsen",
    "Ortiz",
    "Park",
    "Patel",
    "Petrov",
    "Popov",
    "Ramos",
    "Reyes",
    "Ricci",
    "Romano",
    "Rossi",
    "Santos",
    "Sato",
    "Schmidt",
    "Silva",
    "Singh",
    "Tanaka",
    "Torres",
    "Varga",
    "Weber",
    "Yilmaz",
];

/// Forms of names with the rows that have them. Part of the model file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Names {
    forms: Vec<(String, u64)>,
    case: Case,
}

/// How names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Case {
    Title,
    Upper,
    Lower,
}

impl Names {
    /// Learns the forms of a column that promises names of people and holds such.
    pub(super) fn fit(column: &Column, values: &[&str]) -> Option<Self> {
        if !personal::names_people(column) {
            return None;
        }
        let of_family = column.spec.name.to_lowercase();
        let of_family = ["last", "sur", "family", "maiden"].iter().any(|it| of_family.contains(it));
        let (mut forms, mut named) = (BTreeMap::<String, u64>::new(), 0_u64);
        for value in values {
            if let Some(form) = form(value, of_family) {
                *forms.entry(form).or_default() += 1;
                named += 1;
            }
        }
        let mut forms: Vec<(String, u64)> =
            forms.into_iter().filter(|(_, rows)| *rows >= SHARED_ROWS_MIN).collect();
        forms.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        let enough = named as f64 >= SHARE_MIN * values.len() as f64;
        (enough && !forms.is_empty()).then(|| Self { forms, case: case(values) })
    }

    pub(super) fn writer(&self) -> Writer<'_> {
        let weighted = Weighted::new(&self.forms);
        Box::new(move |_, stream, text| {
            let begin = text.len();
            let form = weighted.pick(stream).map_or("F L", String::as_str);
            for word in form.split_inclusive(' ') {
                // A title is the only word of more letters than one.
                let is_title = word.trim_end().len() > 2;
                for letter in word.chars() {
                    match letter {
                        FIRST if !is_title => text.push_str(any(&FIRSTS, stream)),
                        LAST if !is_title => text.push_str(any(&LASTS, stream)),
                        INITIAL if !is_title => text.push_str(&any(&FIRSTS, stream)[..1]),
                        other => text.push(other),
                    }
                }
            }
            let cased = match self.case {
                Case::Title => return,
                Case::Upper => text.split_off(begin).to_uppercase(),
                Case::Lower => text.split_off(begin).to_lowercase(),
            };
            text.push_str(&cased);
        })
    }
}

fn any(list: &'static [&str], stream: &mut Stream) -> &'static str {
    let at = (u64::from(stream.bits()) * list.len() as u64) >> 32;
    list[usize::try_from(at).unwrap_or(0)]
}

/// `F L` of `Ada Lovelace`, `Dr. F I. L`, `L, F`; none of what is no name.
fn form(value: &str, of_family: bool) -> Option<String> {
    let (family, given) = match value.split_once(", ") {
        Some((family, given)) => (Some(family), given),
        None => (None, value),
    };
    let mut words: Vec<&str> = given.split(' ').collect();
    let title = words.first().and_then(|first| TITLES.iter().find(|title| *title == first));
    if title.is_some() {
        words.remove(0);
    }
    let families = family.map_or(0, |family| family.split(' ').count());
    if words.is_empty()
        || words.len() + families > WORDS_MAX
        || family.is_some_and(|it| it.split(' ').any(|word| !is_name(word)))
    {
        return None;
    }
    let last = words.len() - 1;
    let mut told = vec![];
    for (at, word) in words.iter().enumerate() {
        let of_last = family.is_none() && at == last && (last > 0 || of_family || title.is_some());
        told.push(match *word {
            word if is_initial(word) => word.replace(|c: char| c.is_alphabetic(), "I"),
            word if !is_name(word) => return None,
            _ if of_last => LAST.to_string(),
            _ => FIRST.to_string(),
        });
    }
    let given = title.map(|title| (*title).to_owned()).into_iter().chain(told);
    let given = given.collect::<Vec<String>>().join(" ");
    Some(if family.is_some() { format!("{LAST}, {given}") } else { given })
}

/// Letters, at least two, perhaps with a hyphen or an apostrophe within.
fn is_name(word: &str) -> bool {
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    letters >= 2 && word.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '\'' | '’'))
}

fn is_initial(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next().is_some_and(char::is_alphabetic) && matches!(letters.as_str(), "" | ".")
}

/// As most of them are written.
fn case(values: &[&str]) -> Case {
    let most = |is: fn(char) -> bool| {
        let alike = values.iter().filter(|value| {
            let letters = value.chars().filter(|c| c.is_alphabetic());
            letters.clone().count() > 1 && letters.clone().all(is)
        });
        2 * alike.count() > values.len()
    };
    match (most(char::is_uppercase), most(char::is_lowercase)) {
        (true, _) => Case::Upper,
        (_, true) => Case::Lower,
        _ => Case::Title,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_forms_and_other_texts_none() {
        for (text, expected) in [
            ("Ada Lovelace", Some("F L")),
            ("Jean-Luc O'Neil", Some("F L")),
            ("John F. Kennedy", Some("F I. L")),
            ("Dr. Ada B Lovelace", Some("Dr. F I L")),
            ("Lovelace, Ada", Some("L, F")),
            ("de la Cruz, Ana M.", Some("L, F I.")),
            ("Mrs. Lovelace", Some("Mrs. L")),
            ("Ada", Some("F")),
            ("room 12", None),
            ("Ada Bo Cy Di Eve Fay", None),
            ("x@y.org", None),
            ("", None),
        ] {
            assert_eq!(form(text, false).as_deref(), expected, "{text:?}");
        }
        assert_eq!(form("Lovelace", true).as_deref(), Some("L"));
    }
}
