//go:build wasip1

// Package brio is the world of an agent, `brio:core`, for Go: what it is given, what it reports,
// what it can ask of the host. brio/wit says what each function does.
//
// It is written by hand, without a generator. component-type.section, which the Makefile appends
// to what Go built, tells the host that the module is a component of this world.
package brio

import "fmt"

// Run does the task. An Error of InvalidTask, Failed, CheckFailed, IO or Conflict is reported as
// it is, any other one as failed. A panic is a trap.
var Run func(Task) (Report, error)

// Task is what an agent is asked to do.
type Task struct {
	ID          string
	Description string
	InputFiles  []string
	SessionID   string // empty: there is no session
}

// Report is what it did.
type Report struct {
	Summary string
	Metrics []Metric
}

// Metric is a figure of a report.
type Metric struct {
	Name  string
	Value float64
}

// Error is what the host answered, or what an agent reports, by the name of its case in the WIT.
type Error struct {
	Case string
	// Path is set of a file operation that failed.
	Path, Text string
}

func (e *Error) Error() string {
	if e.Path != "" {
		return fmt.Sprintf("%s: %s: %s", e.Case, e.Path, e.Text)
	}
	return e.Case + ": " + e.Text
}

// InvalidTask: the task cannot be understood; trying again without changing it is useless.
func InvalidTask(text string) error { return &Error{Case: "invalid-task", Text: text} }

// Failed: the work was tried and did not succeed.
func Failed(text string) error { return &Error{Case: "failed", Text: text} }

// CheckFailed: the work was done, but its own check rejected it.
func CheckFailed(text string) error { return &Error{Case: "check-failed", Text: text} }

// IO: a file operation failed.
func IO(path, text string) error { return &Error{Case: "io", Path: path, Text: text} }

// Conflict: a session of the agent's own could not be landed.
func Conflict(text string) error { return &Error{Case: "conflict", Text: text} }

// Status is a session at one moment.
type Status struct {
	State        string // open, committing, conflicted, landed, rolled-back
	Parent       string // empty: it lands in the base
	OpenChildren []string
	BaseLanding  uint64
}

// Change is one path of a change set.
type Change struct {
	Path string
	Kind string // added, modified, removed
	Type string // file, directory, symlink
	Size uint64
}

// Metadata is what was said about a session when it began. Empty: it was not said.
type Metadata struct {
	SessionID, Goal, Agent, TaskID, Path string
	CreatedAt                            uint64 // milliseconds since 1970
}

// Decision is something that was decided.
type Decision struct {
	Title, Why   string
	Alternatives []string
}

// Entry is one name in a directory.
type Entry struct {
	Name string
	Kind string // file, directory, symlink, other
	Size uint64
}

// Checkpoint is a state that a session can be put back to.
type Checkpoint struct {
	Name                   string
	CreatedAt, BaseLanding uint64
}
