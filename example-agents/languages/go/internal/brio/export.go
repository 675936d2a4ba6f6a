//go:build wasip1

package brio

import (
	"errors"
	"slices"
	"unsafe"
)

// The names of the cases of agent-error, in their order.
var agentError = []string{"invalid-task", "failed", "check-failed", "io", "conflict"}

// It is kept until the host has read it.
var result [3]uint64

//go:wasmexport brio:core/run@0.1.0#run
func exportRun(id, idLen, what, whatLen, files, count, is, session, sessionLen uint32) uint32 {
	task := Task{
		ID:          string(take(id, idLen)),
		Description: string(take(what, whatLen)),
		InputFiles:  list(files, count, 8, text),
		SessionID:   optional(is, session, sessionLen),
	}
	report, err := Run(task)
	m := memory(unsafe.Slice((*byte)(unsafe.Pointer(&result[0])), 24))
	if err != nil {
		m.setU32(0, 1)
		m.setError(err)
	} else {
		m.setU32(0, 0)
		m.setStr(4, report.Summary)
		ptr := alloc(uint32(len(report.Metrics)) * 16)
		for i, metric := range report.Metrics {
			one := memory(pinned[ptr][i*16:])
			one.setStr(0, metric.Name)
			one.setF64(8, metric.Value)
		}
		m.setU32(12, ptr)
		m.setU32(16, uint32(len(report.Metrics)))
	}
	return uint32(uintptr(unsafe.Pointer(&result[0])))
}

func (m memory) setError(err error) {
	var typed *Error
	if !errors.As(err, &typed) || !slices.Contains(agentError, typed.Case) {
		typed = &Error{Case: "failed", Text: err.Error()}
	}
	m.setU32(4, uint32(slices.Index(agentError, typed.Case)))
	if typed.Case == "io" {
		m.setStr(8, typed.Path)
		m.setStr(16, typed.Text)
	} else {
		m.setStr(8, typed.Text)
	}
}

//go:wasmexport cabi_post_brio:core/run@0.1.0#run
func exportRunDone(uint32) { release() }
