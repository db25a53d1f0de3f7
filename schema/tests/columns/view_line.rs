//! Lines of views: what `-- columns: <table>` in a view file stands for.

use std::fmt::Write;

use crate::{avro_file::Unit, column_source::TableSource, generated_file::GeneratedFile};

/// `postgres/columns/<table>.sql`.
pub(crate) fn generate(table: &TableSource) -> GeneratedFile {
    let mut text = String::new();
    for column in &table.columns {
        let Some(view) = &column.view else { continue };
        let code = match view.unit {
            Some(Unit::Thousandths) => {
                format!("round({{alias}}.{} / 1000.0, 3) as {}", column.name, view.name)
            }
            None if view.name == column.name => format!("{{alias}}.{}", column.name),
            None => format!("{{alias}}.{} as {}", column.name, view.name),
        };
        writeln!(text, "    {code}, -- {}", view.comment).unwrap();
    }
    GeneratedFile::sql(
        &format!("postgres/columns/{}.sql", table.table),
        &table.source,
        &text,
    )
}
