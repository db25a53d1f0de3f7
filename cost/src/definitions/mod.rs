//! The files under `deploy/cost/`: prices, owners, sharing. Everything that is wrong with them is told, each fault by
//! file, line and key.

mod fault;
mod owner;
mod place;
mod price;
mod sharing;

use std::{fmt, fs, path::Path};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

pub use fault::DefinitionFault;
pub use owner::{OwnerEntry, TeamSettings};
pub use price::{ClassPrices, MonthBasis, NodeClass, PricePeriod, PriceSheet};
pub use sharing::{IdleTreatment, SharingPolicy, SpreadMethod};

use place::DefinitionText;

/// What the files of a folder say, checked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CostDefinitions {
    /// Price sheets.
    pub sheets: Vec<PriceSheet>,
    /// The map of owners: entries in order, the defaults of clusters after them.
    pub owners: Vec<OwnerEntry>,
    /// What teams have set.
    pub teams: Vec<TeamSettings>,
    /// How shared cost is shown where nothing else is asked for.
    pub sharing: Vec<SharingPolicy>,
}

/// Everything that is wrong with the files.
#[derive(Debug, thiserror::Error)]
pub struct DefinitionFaults(pub Vec<DefinitionFault>);

impl fmt::Display for DefinitionFaults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(DefinitionFault::to_string).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DefinitionFile {
    sheet: Vec<toml::Spanned<price::SheetText>>,
    owner: Vec<toml::Spanned<owner::OwnerText>>,
    default: Vec<toml::Spanned<owner::DefaultText>>,
    team: Vec<toml::Spanned<owner::TeamText>>,
    sharing: Vec<toml::Spanned<sharing::SharingText>>,
}

impl CostDefinitions {
    /// Reads every `*.toml` of a folder, or one file, in the order of their names.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn read(path: &Path) -> Result<Self, DefinitionFaults> {
        let unreadable = |path: &Path, error: std::io::Error| {
            DefinitionFaults(vec![DefinitionFault::of_file(
                path,
                format!("cannot be read: {error}"),
            )])
        };
        let mut files = vec![path.to_owned()];
        if path.is_dir() {
            let entries = fs::read_dir(path).map_err(|error| unreadable(path, error))?;
            files = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
            files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
            files.sort();
        }
        if files.is_empty() {
            return Err(DefinitionFaults(vec![DefinitionFault::of_file(
                path,
                "contains no .toml file".to_owned(),
            )]));
        }
        let mut texts = Vec::new();
        for file in files {
            let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, error))?;
            texts.push((file.display().to_string(), text));
        }
        let texts: Vec<(&str, &str)> = texts
            .iter()
            .map(|(file, text)| (file.as_str(), text.as_str()))
            .collect();
        Self::parse(&texts)
    }

    /// Reads files by name and text.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, DefinitionFaults> {
        let mut book = Self::default();
        let mut faults = Vec::new();
        for (file, text) in files {
            let text = DefinitionText { file, text };
            match toml::from_str::<DefinitionFile>(text.text) {
                Ok(file) => book.take(file, &text, &mut faults),
                Err(error) => faults.push(text.unreadable(&error)),
            }
        }
        price::check(&book.sheets, &mut faults);
        if faults.is_empty() {
            Ok(book)
        } else {
            Err(DefinitionFaults(faults))
        }
    }

    fn take(&mut self, file: DefinitionFile, text: &DefinitionText<'_>, faults: &mut Vec<DefinitionFault>) {
        for sheet in file.sheet {
            self.sheets.extend(price::read(sheet, text, faults));
        }
        for entry in file.owner {
            self.owners.extend(owner::read(entry, text, faults));
        }
        for entry in file.default {
            self.owners.extend(owner::read_default(entry, text, faults));
        }
        for entry in file.team {
            self.teams.extend(owner::read_team(entry, text, faults));
        }
        for entry in file.sharing {
            self.sharing.extend(sharing::read(entry, text, faults));
        }
    }

    /// What it holds, in a line.
    #[must_use]
    pub fn summary(&self) -> String {
        let classes: usize = self.sheets.iter().map(|sheet| sheet.classes.len()).sum();
        let counted = |number: usize, one: &str, several: &str| match number {
            1 => format!("1 {one}"),
            number => format!("{number} {several}"),
        };
        format!(
            "{} with {}, {}, {}, {}",
            counted(self.sheets.len(), "price sheet", "price sheets"),
            counted(classes, "class", "classes"),
            counted(self.owners.len(), "owner", "owners"),
            counted(self.teams.len(), "team", "teams"),
            counted(self.sharing.len(), "sharing rule", "sharing rules")
        )
    }
}

/// SHA-256 of what something says, whatever its file looks like.
pub(crate) fn sha256_of(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value).unwrap_or_default();
    let digest = Sha256::digest(json);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let faults = CostDefinitions::parse(&[("a.toml", text)]).unwrap_err().0;
        faults.iter().map(DefinitionFault::to_string).collect()
    }

    #[test]
    fn the_examples_that_ship_are_right() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/cost");
        let book = CostDefinitions::read(Path::new(folder)).unwrap();
        assert!(book.sheets.len() >= 2 && !book.owners.is_empty() && !book.teams.is_empty());
        assert!(book.sheets.iter().any(|sheet| {
            sheet
                .classes
                .iter()
                .any(|class| matches!(class.prices, ClassPrices::Node { .. }))
        }));
    }

    #[test]
    fn every_fault_is_reported_by_file_line_and_key() {
        let text = "
[[sheet]]
sheet = 'a'
valid_from = 2026-01-01
currency = 'usd'
[[sheet.class]]
class = 'x'
price_per_core_hour = -1
price_per_gib_hour = 0.004

[[owner]]
team = ''
namespace = 'x'
valid_from = 2026-02-01
valid_to = 2026-01-01
";
        let faults = faults(text);
        let expected = [
            "a.toml:5: currency: `usd` is not an ISO 4217 code of three capital letters",
            "a.toml:6: price_per_gpu_hour: is missing: a class needs a price for each of core, gib and gpu, \
             or one for the node",
            "a.toml:8: price_per_core_hour: -1 is not a price; it must be 0 or more",
            "a.toml:12: team: is empty",
            "a.toml:15: valid_to: is not after valid_from",
        ];
        for line in expected {
            assert!(faults.iter().any(|fault| fault == line), "{line}\nin {faults:#?}");
        }
    }

    #[test]
    fn an_unknown_key_is_reported_with_its_line() {
        let faults = faults("[[sheet]]\nsheet = 'a'\nvalid_from = 2026-01-01\ncurrency = 'EUR'\nprise = 1\n");
        assert!(
            faults[0].starts_with("a.toml:5: ") && faults[0].contains("prise"),
            "{faults:?}"
        );
    }

    #[test]
    fn two_sheets_of_one_name_and_instant_or_two_currencies_are_refused() {
        let sheet = |name: &str, currency: &str| {
            format!(
                "[[sheet]]\nsheet = '{name}'\nvalid_from = 2026-01-01\ncurrency = '{currency}'\n[[sheet.class]]\nclass = 'x'\nprice_per_node_month = 10\n"
            )
        };
        let twice = faults(&(sheet("a", "EUR") + &sheet("a", "EUR")));
        assert!(twice[0].contains("appears twice"), "{twice:?}");
        let two = faults(&(sheet("a", "EUR") + &sheet("b", "USD")));
        assert!(two[0].contains("one currency"), "{two:?}");
    }

    #[test]
    fn the_parts_of_a_node_price_are_summed() {
        let text = "[[sheet]]\nsheet = 'a'\nvalid_from = 2026-01-01T12:00:00Z\ncurrency = 'EUR'\n[[sheet.class]]\nclass = 'x'\nlabels = { pool = 'gpu' }\nprice_per_node_month = { amortisation = 0.1, power = 0.2, space = 30, staff = 5 }\n";
        let book = CostDefinitions::parse(&[("a.toml", text)]).unwrap();
        let ClassPrices::Node { node, .. } = &book.sheets[0].classes[0].prices else {
            panic!("a price of the node")
        };
        assert_eq!(node, "35.3");
        assert_eq!(book.sheets[0].valid_from.to_string(), "2026-01-01T12:00:00Z");
    }
}
