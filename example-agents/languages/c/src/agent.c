/* my-agent: lists the files at the top of the workspace, with their lines, in INDEX.md.
 *
 * Task: the title of the list, `Index` if empty.
 *
 * What is handed in belongs to this function, and so does what the host returned; what it hands
 * out is freed by the bindings. A text of the interface has a length, and no NUL at its end. */
#include "brio.h"
#include "index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool failed(exports_brio_core_run_agent_error_t *err, const struct index_error *error) {
  switch (error->kind) {
    case INDEX_INVALID_TASK:
      err->tag = BRIO_CORE_TYPES_AGENT_ERROR_INVALID_TASK;
      brio_string_dup(&err->val.invalid_task, error->message);
      break;
    case INDEX_FAILED:
      err->tag = BRIO_CORE_TYPES_AGENT_ERROR_FAILED;
      brio_string_dup(&err->val.failed, error->message);
      break;
    case INDEX_IO:
      err->tag = BRIO_CORE_TYPES_AGENT_ERROR_IO;
      brio_string_dup(&err->val.io.path, error->path);
      brio_string_dup(&err->val.io.message, error->message);
      break;
  }
  return false;
}

/* What will land, asked of the host. */
static bool changed(brio_string_t *session, size_t *paths) {
  brio_core_session_list_change_t changes;
  brio_core_session_session_error_t error;
  if (!brio_core_session_change_set(session, &changes, &error)) {
    brio_core_session_session_error_free(&error);
    return false;
  }
  *paths = changes.len;
  brio_core_session_list_change_free(&changes);
  return true;
}

/* The task's text without white space around it, `Index` if there is none. */
static char *title_of(const brio_string_t *text) {
  size_t from = 0, to = text->len;
  while (from < to && strchr(" \t\r\n", text->ptr[from])) from++;
  while (from < to && strchr(" \t\r\n", text->ptr[to - 1])) to--;
  return from == to ? strdup("Index") : strndup((const char *)text->ptr + from, to - from);
}

static bool work(exports_brio_core_run_task_context_t *context, char *title,
                 exports_brio_core_run_task_output_t *ret,
                 exports_brio_core_run_agent_error_t *err) {
  struct index_error error = {.kind = INDEX_FAILED, .message = "out of memory"};
  struct index index;
  size_t paths = 0;
  if (!title || !index_write(".", title, &index, &error)) return failed(err, &error);
  if (context->session_id.is_some && !changed(&context->session_id.val, &paths)) {
    strcpy(error.message, "the host does not say what changed");
    error.kind = INDEX_FAILED;
    return failed(err, &error);
  }
  char summary[80];
  snprintf(summary, sizeof summary, "listed %zu files; %zu paths changed", index.files, paths);
  brio_string_dup(&ret->summary, summary);
  ret->metrics.len = 2;
  ret->metrics.ptr = malloc(2 * sizeof *ret->metrics.ptr);
  if (!ret->metrics.ptr) abort();
  brio_string_dup(&ret->metrics.ptr[0].name, "files");
  ret->metrics.ptr[0].value = (double)index.files;
  brio_string_dup(&ret->metrics.ptr[1].name, "lines");
  ret->metrics.ptr[1].value = (double)index.lines;
  return true;
}

bool exports_brio_core_run_run(exports_brio_core_run_task_context_t *context,
                               exports_brio_core_run_task_output_t *ret,
                               exports_brio_core_run_agent_error_t *err) {
  char *title = title_of(&context->description);
  bool done = work(context, title, ret, err);
  free(title);
  exports_brio_core_run_task_context_free(context);
  return done;
}
