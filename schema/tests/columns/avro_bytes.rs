//! An Avro encoder apart from those of the crate, so that test data does not repeat their faults.

use serde_json::Value as Json;

use crate::avro_file::{AvroRecord, defined_record};

/// Encodes records of one schema; keeps the records it has defined, by name.
#[derive(Default)]
pub(crate) struct AvroEncoder {
    defined: Vec<AvroRecord>,
    pub(crate) bytes: Vec<u8>,
}

impl AvroEncoder {
    pub(crate) fn record(&mut self, record: &AvroRecord, json: &Json) {
        self.defined.push(record.clone());
        for field in &record.fields {
            self.value(&field.kind, &json[&field.name]);
        }
    }

    fn value(&mut self, kind: &Json, json: &Json) {
        if let Json::Array(variants) = kind {
            self.long(i64::from(!json.is_null()));
            if !json.is_null() {
                self.value(&variants[1], json);
            }
            return;
        }
        let name = kind.as_str().or(kind["type"].as_str()).unwrap();
        match name {
            "string" => self.text(json.as_str().unwrap()),
            "boolean" => self.bytes.push(u8::from(json.as_bool().unwrap())),
            "int" | "long" => self.long(json.as_i64().unwrap()),
            "array" => {
                let items = json.as_array().unwrap();
                self.block(items.len());
                items.iter().for_each(|item| self.value(&kind["items"], item));
                self.long(0);
            }
            "map" => {
                let entries = json.as_object().unwrap();
                self.block(entries.len());
                for (key, value) in entries {
                    self.text(key);
                    self.value(&kind["values"], value);
                }
                self.long(0);
            }
            "record" => self.record(&defined_record(kind).unwrap(), json),
            named => {
                let named = named.rsplit('.').next().unwrap();
                let record = self.defined.iter().find(|record| record.name == named).cloned();
                self.record(&record.unwrap(), json);
            }
        }
    }

    /// Begins a block of items; one without any ends the array or map.
    fn block(&mut self, items: usize) {
        if items > 0 {
            self.long(i64::try_from(items).unwrap());
        }
    }

    fn text(&mut self, text: &str) {
        self.long(i64::try_from(text.len()).unwrap());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn long(&mut self, number: i64) {
        let mut left = (number.wrapping_shl(1) ^ (number >> 63)).cast_unsigned();
        loop {
            let low = u8::try_from(left % 128).unwrap();
            left /= 128;
            if left == 0 {
                self.bytes.push(low);
                return;
            }
            self.bytes.push(low + 128);
        }
    }
}
