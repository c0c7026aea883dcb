//! Values for `precision.py`: of the cases of the file that `ORACLE_VALUES` names, one a line as in a fixture, written to that name with
//! `.out` behind it. Without the variable it does nothing.

use std::fmt::Write as _;

use super::*;

#[test]
fn values_of_a_file() {
    let Ok(path) = std::env::var("ORACLE_VALUES") else { return };
    let table: HashMap<&str, Row> = EVERY.concat().concat().into_iter().map(|row| (row.name, row)).collect();
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut out = String::new();
    for case in text.lines().map(Case::parse) {
        let found = with_x64(case.x64, || {
            let args: Vec<Array> = case.args.iter().map(|a| a.array().unwrap()).collect();
            let (call, params) = (table[case.function.as_str()].call, case.params.clone());
            jit(move |x: &Vec<Array>| call(x, &params))(&args).unwrap()
        });
        let hex = |x: &Array| {
            let bytes = x.to_bytes().unwrap();
            bytes.iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            })
        };
        let results: Vec<String> = found.iter().map(|x| format!("\"{}\"", hex(x))).collect();
        writeln!(out, "[{}]", results.join(", ")).unwrap();
    }
    std::fs::write(format!("{path}.out"), out).unwrap();
}
