//go:build wasip1

package brio

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Where the host writes an answer. Calls are one after the other, and a stack may move.
var answer [9]uint64

// Asks, and reads the error by its interface's cases where there is one: after the byte that
// tells an error from a value, both begin at the same place.
func ask(at int, cases []string, call func(ret unsafe.Pointer)) (memory, error) {
	call(unsafe.Pointer(&answer[0]))
	m := memory(unsafe.Slice((*byte)(unsafe.Pointer(&answer[0])), len(answer)*8))
	if m.u8(0) == 0 {
		return m, nil
	}
	if cases == nil {
		return nil, &Error{Case: "failed", Text: m.str(at)}
	}
	err := &Error{Case: cases[m.u8(at)]}
	switch {
	case err.Case == "ambiguous":
		err.Path = m.str(at + 4)
		err.Text = fmt.Sprint(m.u32(at+12), " places")
	case err.Case == "failed" && (len(cases) == len(toolError) || len(cases) == len(sessionError)):
		err.Path, err.Text = m.str(at+4), m.str(at+12)
	default:
		err.Text = m.str(at + 4)
	}
	return nil, err
}

var (
	sessionError = []string{"unknown", "ended", "snapshot-gone", "failed"}
	journalError = []string{"unknown", "ended", "empty", "limit", "failed"}
	toolError    = []string{
		"not-found", "is-directory", "not-directory", "not-empty", "invalid-path", "not-permitted",
		"not-text", "invalid-range", "too-large", "no-match", "ambiguous", "no-space", "failed",
	}
	checkpointError = []string{
		"unknown", "ended", "invalid-name", "exists", "no-such-checkpoint", "busy", "limit",
		"snapshot-gone", "failed",
	}
	states = []string{"open", "committing", "conflicted", "landed", "rolled-back"}
	kinds  = []string{"added", "modified", "removed"}
	types  = []string{"file", "directory", "symlink", "other"}
)

// SessionStatus is where a session is in its life.
func SessionStatus(id string) (Status, error) {
	a, err := ask(8, sessionError, func(ret unsafe.Pointer) { sessionStatus(id, ret) })
	if err != nil {
		return Status{}, err
	}
	return Status{
		State:        states[a.u8(8)],
		Parent:       a.option(12),
		OpenChildren: list(a.u32(24), a.u32(28), 8, text),
		BaseLanding:  a.u64(32),
	}, nil
}

// ChangeSet is what a session changed so far.
func ChangeSet(id string) ([]Change, error) {
	a, err := ask(4, sessionError, func(ret unsafe.Pointer) { sessionChangeSet(id, ret) })
	if err != nil {
		return nil, err
	}
	return list(a.u32(4), a.u32(8), 24, func(m memory) Change {
		return Change{Path: m.str(0), Kind: kinds[m.u8(8)], Type: types[m.u8(9)], Size: m.u64(16)}
	}), nil
}

// SessionMetadata is what was said when a session began.
func SessionMetadata(id string) (Metadata, error) {
	a, err := ask(8, sessionError, func(ret unsafe.Pointer) { sessionMetadata(id, ret) })
	if err != nil {
		return Metadata{}, err
	}
	return Metadata{
		SessionID: a.str(8), Goal: a.str(16), Agent: a.option(24), TaskID: a.option(36),
		CreatedAt: a.u64(48), Path: a.option(56),
	}, nil
}

// Say writes into the journal what the agent has to say.
func Say(id, text string) error {
	_, err := ask(4, journalError, func(ret unsafe.Pointer) { journalSay(id, text, ret) })
	return err
}

// Decide writes a decision into the journal.
func Decide(id string, d Decision) error {
	_, err := ask(4, journalError, func(ret unsafe.Pointer) {
		// Pointers are of 32 bits here; those to d live as long as it does.
		others := make([][2]uint32, len(d.Alternatives)+1)
		for i, other := range d.Alternatives {
			ptr := uintptr(unsafe.Pointer(unsafe.StringData(other)))
			others[i] = [2]uint32{uint32(ptr), uint32(len(other))}
		}
		count := uint32(len(d.Alternatives))
		journalDecide(id, d.Title, d.Why, unsafe.Pointer(&others[0]), count, ret)
		runtime.KeepAlive(d)
	})
	return err
}

// ReadFile returns the whole content of a file.
func ReadFile(path string) ([]byte, error) {
	a, err := ask(4, toolError, func(ret unsafe.Pointer) { toolsReadFile(path, ret) })
	if err != nil {
		return nil, err
	}
	return a.bytes(4), nil
}

// ReadFileRange returns lines, counted from 1, both included.
func ReadFileRange(path string, first, last uint32) (string, error) {
	a, err := ask(4, toolError, func(ret unsafe.Pointer) { toolsReadFileRange(path, first, last, ret) })
	if err != nil {
		return "", err
	}
	return a.str(4), nil
}

// WriteFile makes the content that of the file.
func WriteFile(path, content string) error {
	_, err := ask(4, toolError, func(ret unsafe.Pointer) { toolsWriteFile(path, content, ret) })
	return err
}

// ListDirectory returns the entries of a directory, sorted.
func ListDirectory(path string) ([]Entry, error) {
	a, err := ask(4, toolError, func(ret unsafe.Pointer) { toolsListDirectory(path, ret) })
	if err != nil {
		return nil, err
	}
	return list(a.u32(4), a.u32(8), 24, func(m memory) Entry {
		return Entry{Name: m.str(0), Kind: types[m.u8(8)], Size: m.u64(16)}
	}), nil
}

// Edit replaces a text, and returns in how many places.
func Edit(path, old, new string, all bool) (uint32, error) {
	a, err := ask(4, toolError, func(ret unsafe.Pointer) { toolsEdit(path, old, new, all, ret) })
	if err != nil {
		return 0, err
	}
	return a.u32(4), nil
}

// Remove removes a file, a symlink or an empty directory.
func Remove(path string) error {
	_, err := ask(4, toolError, func(ret unsafe.Pointer) { toolsRemove(path, ret) })
	return err
}

// BeginSession begins a session in this one; it needs the grant session-fs, as do all below.
func BeginSession(path string) (string, error) {
	return textOf(func(ret unsafe.Pointer) { fsBegin(path, ret) })
}

// CommitSession lands a session in this one.
func CommitSession(id string) error {
	_, err := ask(4, nil, func(ret unsafe.Pointer) { fsCommit(id, ret) })
	return err
}

// RollbackSession throws a session away.
func RollbackSession(id string) error {
	_, err := ask(4, nil, func(ret unsafe.Pointer) { fsRollback(id, ret) })
	return err
}

// SessionPath is where a session's files are.
func SessionPath(id string) (string, error) {
	return textOf(func(ret unsafe.Pointer) { fsPath(id, ret) })
}

func textOf(call func(ret unsafe.Pointer)) (string, error) {
	a, err := ask(4, nil, call)
	if err != nil {
		return "", err
	}
	return a.str(4), nil
}

// MakeCheckpoint makes a state to come back to.
func MakeCheckpoint(id, name string) (Checkpoint, error) {
	a, err := ask(8, checkpointError, func(ret unsafe.Pointer) { checkpointMake(id, name, ret) })
	if err != nil {
		return Checkpoint{}, err
	}
	return checkpointOf(a[8:]), nil
}

// Restore puts a session back to a checkpoint.
func Restore(id, name string) (Checkpoint, error) {
	a, err := ask(8, checkpointError, func(ret unsafe.Pointer) { checkpointRestore(id, name, ret) })
	if err != nil {
		return Checkpoint{}, err
	}
	return checkpointOf(a[8:]), nil
}

// Checkpoints lists the checkpoints of a session.
func Checkpoints(id string) ([]Checkpoint, error) {
	a, err := ask(4, checkpointError, func(ret unsafe.Pointer) { checkpointList(id, ret) })
	if err != nil {
		return nil, err
	}
	return list(a.u32(4), a.u32(8), 24, checkpointOf), nil
}

func checkpointOf(m memory) Checkpoint {
	return Checkpoint{Name: m.str(0), CreatedAt: m.u64(8), BaseLanding: m.u64(16)}
}
