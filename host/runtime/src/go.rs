//! Modules that Go linked.
//!
//! Go takes the memory after its data for its own, as one piece, wherever others have grown it:
//! the pages of the preview-1 adapter would lie in its heap. So they get room between both. The
//! word of Go's module data that says where its data ends is moved up, and an export hands the
//! adapter what is below that.
//!
//! And while the host asks a component for memory, the component may call nothing of the host;
//! Go's scheduler, which runs then, looks at the clock. It is told the time that it saw last.

use std::ops::Range;

use wasm_encoder::reencode::{Error, Reencode, RoundtripReencoder, utils};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, MemArg, Module, TypeSection, ValType,
};
use wasmparser::{DataKind, Operator, Parser, Payload};

const PAGE: u32 = 1 << 16;
/// What the adapter asks for: a stack, and its state.
const ROOM: u32 = 2 * PAGE;
/// Data beyond this is not looked at.
const MOST: u64 = 64 << 20;

/// What there is of a module before anything is added.
#[derive(Default)]
struct Found {
    types: u32,
    functions: u32,
    globals: u32,
    /// `clock_time_get` among the functions.
    clock: Option<u32>,
    /// What is exported as `cabi_realloc`.
    realloc: Option<u32>,
    /// Bytes of the memory that it begins with.
    memory: u64,
    /// Where each piece of data goes, and where it is in the module.
    data: Vec<(u32, Range<usize>)>,
}

/// The module with room for the adapter; `None`: it is not laid out as Go's linker does it.
pub(crate) fn with_room(module: &[u8]) -> Option<Vec<u8>> {
    let found = Found::of(module).ok()??;
    let (at, end) = found.end_of_data(module)?;
    let room = end.checked_next_multiple_of(PAGE)?;
    let moved = room.checked_add(ROOM)?;
    if u64::from(moved) > found.memory {
        return None;
    }
    let mut patched = module.to_vec();
    for (i, byte) in moved.to_le_bytes().into_iter().enumerate() {
        match found.place(at + i as u32) {
            Some(place) => *patched.get_mut(place)? = byte,
            // The linker leaves out zeros.
            None if byte == 0 => {}
            None => return None,
        }
    }
    let mut made = Module::new();
    let mut adding = Adding { found, room, inner: RoundtripReencoder };
    adding.parse_core_module(&mut made, Parser::new(0), &patched).ok()?;
    Some(made.finish())
}

impl Found {
    fn of(module: &[u8]) -> wasmparser::Result<Option<Self>> {
        let mut found = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(types) => {
                    for group in types {
                        found.types += group?.types().len() as u32;
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import?;
                        match import.ty {
                            wasmparser::TypeRef::Func(_) => {
                                if import.name == "clock_time_get" {
                                    found.clock = Some(found.functions);
                                }
                                found.functions += 1;
                            }
                            wasmparser::TypeRef::Global(_) => found.globals += 1,
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(functions) => found.functions += functions.count(),
                Payload::GlobalSection(globals) => found.globals += globals.count(),
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        found.memory += memory?.initial.saturating_mul(PAGE.into());
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        if export.name == "cabi_realloc" {
                            found.realloc = Some(export.index);
                        }
                    }
                }
                Payload::DataSection(pieces) => {
                    for piece in pieces {
                        let piece = piece?;
                        let DataKind::Active { memory_index: 0, offset_expr } = piece.kind else {
                            return Ok(None);
                        };
                        let Operator::I32Const { value } =
                            offset_expr.get_operators_reader().read()?
                        else {
                            return Ok(None);
                        };
                        let end = piece.range.end;
                        found.data.push((value as u32, end - piece.data.len()..end));
                    }
                }
                _ => {}
            }
        }
        Ok(Some(found))
    }

    /// Where the word is, and what it says: the last of four in a row that say the same, an
    /// address behind all data that is in the memory (`enoptrbss`, `covctrs`, `ecovctrs`, `end`).
    fn end_of_data(&self, module: &[u8]) -> Option<(u32, u32)> {
        let ends = self.data.iter().map(|(at, place)| u64::from(*at) + place.len() as u64);
        let last = ends.max().filter(|last| *last <= MOST)?;
        let mut image = vec![0; last.next_multiple_of(8) as usize];
        for (at, place) in &self.data {
            let at = *at as usize;
            image[at..at + place.len()].copy_from_slice(module.get(place.clone())?);
        }
        let words: Vec<_> =
            image.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let behind = |word: u64| word >= last && word <= self.memory;
        let mut rows = words
            .windows(4)
            .enumerate()
            .filter(|(_, row)| behind(row[0]) && row.iter().all(|word| *word == row[0]));
        let (first, row) = rows.next()?;
        if rows.next().is_some() {
            return None;
        }
        Some((u32::try_from((first + 3) * 8).ok()?, u32::try_from(row[0]).ok()?))
    }

    /// Where in the module the byte of an address is.
    fn place(&self, address: u32) -> Option<usize> {
        self.data.iter().rev().find_map(|(at, place)| {
            let within = address.checked_sub(*at)? as usize;
            (within < place.len()).then(|| place.start + within)
        })
    }
}

/// Copies a module, and adds the export `cabi_realloc_adapter`, which the adapter prefers.
struct Adding {
    found: Found,
    room: u32,
    inner: RoundtripReencoder,
}

type Added<T> = Result<(), Error<T>>;

impl Reencode for Adding {
    type Error = <RoundtripReencoder as Reencode>::Error;

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Added<Self::Error> {
        utils::parse_type_section(&mut self.inner, types, section)?;
        types.ty().function([ValType::I32; 4], [ValType::I32]);
        types.ty().function([ValType::I32, ValType::I64, ValType::I32], [ValType::I32]);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Added<Self::Error> {
        utils::parse_function_section(&mut self.inner, functions, section)?;
        functions.function(self.found.types);
        if self.quiet().is_some() {
            functions.function(self.found.types).function(self.found.types + 1);
        }
        Ok(())
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: wasmparser::GlobalSectionReader<'_>,
    ) -> Added<Self::Error> {
        utils::parse_global_section(&mut self.inner, globals, section)?;
        let ty = |val_type| GlobalType { val_type, mutable: true, shared: false };
        globals.global(ty(ValType::I32), &ConstExpr::i32_const(self.room as i32));
        globals.global(ty(ValType::I32), &ConstExpr::i32_const(0));
        globals.global(ty(ValType::I64), &ConstExpr::i64_const(0));
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Added<Self::Error> {
        for export in section {
            let export = export?;
            match self.quiet() {
                Some((_, asked)) if export.name == "cabi_realloc" && asked == export.index => {
                    exports.export(export.name, ExportKind::Func, self.found.functions + 1);
                }
                _ => utils::parse_export(&mut self.inner, exports, export)?,
            }
        }
        exports.export("cabi_realloc_adapter", ExportKind::Func, self.found.functions);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Added<Self::Error> {
        utils::parse_code_section(self, code, section)?;
        code.function(&self.realloc());
        if let Some((clock, asked)) = self.quiet() {
            code.function(&self.asked(asked)).function(&self.clock(clock));
        }
        Ok(())
    }

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Self::Error>> {
        Ok(match self.quiet() {
            Some((clock, _)) if clock == function => self.found.functions + 2,
            _ => function,
        })
    }
}

impl Adding {
    /// The clock, and what gives the host memory, if there are both.
    fn quiet(&self) -> Option<(u32, u32)> {
        self.found.clock.zip(self.found.realloc)
    }

    /// Gives the host memory, and remembers meanwhile that it does.
    fn asked(&self, realloc: u32) -> Function {
        let asked = self.found.globals + 1;
        let mut function = Function::new([]);
        let mut body = function.instructions();
        body.i32_const(1).global_set(asked);
        body.local_get(0).local_get(1).local_get(2).local_get(3).call(realloc);
        body.i32_const(0).global_set(asked).end();
        function
    }

    /// The time, or the one that was told last.
    fn clock(&self, clock: u32) -> Function {
        let (asked, last) = (self.found.globals + 1, self.found.globals + 2);
        let word = MemArg { offset: 0, align: 3, memory_index: 0 };
        let mut function = Function::new([(1, ValType::I32)]);
        let mut body = function.instructions();
        body.global_get(asked).if_(BlockType::Empty);
        body.local_get(2).global_get(last).i64_store(word).i32_const(0).return_().end();
        body.local_get(0).local_get(1).local_get(2).call(clock).local_set(3);
        body.local_get(2).i64_load(word).global_set(last).local_get(3).end();
        function
    }

    /// The next page; a trap when there is none, or something else is asked for.
    fn realloc(&self) -> Function {
        let next = self.found.globals;
        let mut function = Function::new([]);
        let mut body = function.instructions();
        body.local_get(3).i32_const(PAGE as i32).i32_ne();
        body.global_get(next).i32_const((self.room + ROOM) as i32).i32_ge_u().i32_or();
        body.if_(BlockType::Empty).unreachable().end();
        body.global_get(next)
            .global_get(next)
            .i32_const(PAGE as i32)
            .i32_add()
            .global_set(next)
            .end();
        function
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data that ends at 24 KiB and says so four times, with its last words cut off by the linker.
    const GO: &str = r#"(module
        (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
        (memory (export "memory") 4)
        (global i32 (i32.const 7))
        (func (export "_start"))
        (data (i32.const 4096) "\00\60\00\00\00\00\00\00\00\60\00\00\00\00\00\00\00\60\00\00\00\00\00\00\00\60\00\00"))"#;

    #[test]
    fn the_end_of_data_is_moved_behind_the_room() {
        let module = wat::parse_str(GO).unwrap();
        let made = with_room(&module).unwrap();
        wasmparser::validate(&made).unwrap();
        let found = Found::of(&made).unwrap().unwrap();
        assert_eq!(found.functions, 3);
        let place = found.place(4096 + 24).unwrap();
        assert_eq!(made[place..place + 3], (3 * PAGE).to_le_bytes()[..3]);
        assert_eq!(made[place - 8..place - 4], 0x6000_u32.to_le_bytes(), "the others stay");
        let wat = wat::parse_str(GO.replace("memory (export \"memory\") 4", "memory 2")).unwrap();
        assert!(with_room(&wat).is_none(), "there is no room in the memory");
    }

    #[test]
    fn what_is_laid_out_in_another_way_is_left_alone() {
        let twice = GO.replace("(data", "(data (i32.const 8192) \"\\ff\") (data");
        assert!(with_room(&wat::parse_str(twice).unwrap()).is_some());
        let row = GO.split("(data").nth(1).unwrap().trim_end_matches(')');
        let again = row.replace("4096", "8192");
        let twice = GO.replace("(data", &format!("(data{again}) (data"));
        for odd in [
            twice,
            GO.replace("4096", "4100"),
            GO.replace(r"\60", r"\01"),
            GO.replace("(data (i32.const 4096)", "(data"),
            "(module)".to_owned(),
        ] {
            assert!(with_room(&wat::parse_str(&odd).unwrap()).is_none(), "{odd}");
        }
        assert!(with_room(b"\0asm\x01\0\0\0\xff").is_none());
    }
}
