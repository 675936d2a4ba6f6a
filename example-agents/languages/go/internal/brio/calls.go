//go:build wasip1

package brio

import "unsafe"

//go:wasmimport brio:core/session@0.1.0 status
func sessionStatus(id string, ret unsafe.Pointer)

//go:wasmimport brio:core/session@0.1.0 change-set
func sessionChangeSet(id string, ret unsafe.Pointer)

//go:wasmimport brio:core/session@0.1.0 metadata
func sessionMetadata(id string, ret unsafe.Pointer)

//go:wasmimport brio:core/session-journal@0.1.0 say
func journalSay(id, text string, ret unsafe.Pointer)

//go:wasmimport brio:core/session-journal@0.1.0 decide
func journalDecide(id, title, why string, others unsafe.Pointer, count uint32, ret unsafe.Pointer)

//go:wasmimport brio:core/session-tools@0.1.0 read-file
func toolsReadFile(path string, ret unsafe.Pointer)

//go:wasmimport brio:core/session-tools@0.1.0 read-file-range
func toolsReadFileRange(path string, first, last uint32, ret unsafe.Pointer)

//go:wasmimport brio:core/session-tools@0.1.0 write-file
func toolsWriteFile(path, content string, ret unsafe.Pointer)

//go:wasmimport brio:core/session-tools@0.1.0 list-directory
func toolsListDirectory(path string, ret unsafe.Pointer)

//go:wasmimport brio:core/session-tools@0.1.0 edit
func toolsEdit(path, old, new string, all bool, ret unsafe.Pointer)

//go:wasmimport brio:core/session-tools@0.1.0 remove
func toolsRemove(path string, ret unsafe.Pointer)

//go:wasmimport brio:core/session-fs@0.1.0 begin-session
func fsBegin(path string, ret unsafe.Pointer)

//go:wasmimport brio:core/session-fs@0.1.0 commit-session
func fsCommit(id string, ret unsafe.Pointer)

//go:wasmimport brio:core/session-fs@0.1.0 rollback-session
func fsRollback(id string, ret unsafe.Pointer)

//go:wasmimport brio:core/session-fs@0.1.0 get-session-path
func fsPath(id string, ret unsafe.Pointer)

//go:wasmimport brio:core/checkpoints@0.1.0 checkpoint
func checkpointMake(id, name string, ret unsafe.Pointer)

//go:wasmimport brio:core/checkpoints@0.1.0 restore
func checkpointRestore(id, name string, ret unsafe.Pointer)

//go:wasmimport brio:core/checkpoints@0.1.0 checkpoints
func checkpointList(id string, ret unsafe.Pointer)
