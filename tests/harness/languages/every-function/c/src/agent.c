/* Calls every function of `brio:core`, and prints whether each answered as its WIT says.
 * What the host returned is not freed: the component runs once. */
#include "brio.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed;

static void check(const char *name, bool holds) {
  printf("%s %s\n", holds ? "OK" : "FAIL", name);
  failed += !holds;
}

/* A text for one call: what is handed over there is the callee's to read only. */
static brio_string_t text(const char *of) {
  return (brio_string_t){(uint8_t *)of, strlen(of)};
}

static bool is(const brio_string_t *a, const char *b) {
  return a->len == strlen(b) && !memcmp(a->ptr, b, a->len);
}

static bool same(const brio_string_t *a, const brio_string_t *b) {
  return a->len == b->len && !memcmp(a->ptr, b->ptr, a->len);
}

static bool put(const char *path, const char *of) {
  FILE *file = fopen(path, "wb");
  return file && fputs(of, file) >= 0 && !fclose(file);
}

static void tools(void) {
  brio_core_session_tools_tool_error_t error;
  brio_string_t path = text("t/a.txt"), dir = text("t"), old = text("two"), new = text("2"), lines;
  brio_list_u8_t content = {(uint8_t *)"one\ntwo\n", 8}, read;
  brio_core_session_tools_list_directory_entry_t entries;
  uint32_t places;
  check("write-file", brio_core_session_tools_write_file(&path, &content, &error));
  check("read-file", brio_core_session_tools_read_file(&path, &read, &error) && read.len == 8 &&
                         !memcmp(read.ptr, content.ptr, 8));
  check("read-file-range",
        brio_core_session_tools_read_file_range(&path, 2, 2, &lines, &error) && is(&lines, "two\n"));
  check("edit",
        brio_core_session_tools_edit(&path, &old, &new, false, &places, &error) && places == 1);
  check("list-directory",
        brio_core_session_tools_list_directory(&dir, &entries, &error) && entries.len == 1 &&
            is(&entries.ptr->name, "a.txt") && entries.ptr->size == 6 &&
            entries.ptr->kind == BRIO_CORE_SESSION_TOOLS_ENTRY_KIND_FILE);
}

static void session(brio_string_t *id, brio_string_t *task) {
  brio_core_session_session_error_t error;
  brio_core_session_session_status_t status;
  brio_core_session_list_change_t changes;
  brio_core_session_session_metadata_t about;
  check("status", brio_core_session_status(id, &status, &error) && !status.open_children.len &&
                      status.state == BRIO_CORE_SESSION_SESSION_STATE_OPEN);
  bool found = false;
  if (brio_core_session_change_set(id, &changes, &error))
    for (size_t i = 0; i < changes.len; i++) found |= is(&changes.ptr[i].path, "t/a.txt");
  check("change-set", found);
  check("metadata", brio_core_session_metadata(id, &about, &error) && same(&about.session_id, id) &&
                        about.task_id.is_some && same(&about.task_id.val, task));
  brio_core_session_journal_journal_error_t refused;
  brio_string_t said = text("from C"), others[2] = {text("three"), text("")};
  brio_core_session_journal_decision_t decision = {text("one"), text("two"), {others, 2}};
  check("say", brio_core_session_journal_say(id, &said, &refused));
  check("decide", brio_core_session_journal_decide(id, &decision, &refused));
}

static void branches(void) {
  brio_string_t root = text("/workspace"), name = text("one"), id, path, error, other;
  brio_core_checkpoints_checkpoint_error_t refused;
  brio_core_checkpoints_checkpoint_info_t made;
  brio_core_checkpoints_list_checkpoint_info_t all;
  char file[200];
  if (!brio_core_session_fs_begin_session(&root, &id, &error)) return check("begin-session", false);
  check("begin-session", id.len > 5 && !memcmp(id.ptr, "sess-", 5));
  bool there = brio_core_session_fs_get_session_path(&id, &path, &error);
  check("get-session-path", there && path.len == 10 + id.len && !memcmp(path.ptr, "/sessions/", 10));
  snprintf(file, sizeof file, "%.*s/landed.txt", (int)path.len, (char *)path.ptr);
  check("fopen", put(file, "landed"));
  check("checkpoint", brio_core_checkpoints_checkpoint(&id, &name, &made, &refused) &&
                          is(&made.name, "one") && made.created_at > 0);
  check("fopen again", put(file, "later"));
  check("restore",
        brio_core_checkpoints_restore(&id, &name, &made, &refused) && is(&made.name, "one"));
  check("checkpoints", brio_core_checkpoints_checkpoints(&id, &all, &refused) && all.len > 0 &&
                           is(&all.ptr->name, "one"));
  check("commit-session", brio_core_session_fs_commit_session(&id, &error));
  check("rollback-session", brio_core_session_fs_begin_session(&root, &other, &error) &&
                                brio_core_session_fs_rollback_session(&other, &error));
}

static void remains(void) {
  brio_core_session_tools_tool_error_t error;
  brio_string_t path = text("t/a.txt"), none = text("no/such/file");
  brio_list_u8_t read;
  check("remove", brio_core_session_tools_remove(&path, &error) && !fopen("t/a.txt", "rb"));
  check("not-found", !brio_core_session_tools_read_file(&none, &read, &error) &&
                         error.tag == BRIO_CORE_SESSION_TOOLS_TOOL_ERROR_NOT_FOUND &&
                         is(&error.val.not_found, "no/such/file"));
}

bool exports_brio_core_run_run(exports_brio_core_run_task_context_t *context,
                               exports_brio_core_run_task_output_t *ret,
                               exports_brio_core_run_agent_error_t *err) {
  tools();
  session(&context->session_id.val, &context->task_id);
  branches();
  remains();
  fflush(stdout);
  if (failed) {
    err->tag = BRIO_CORE_TYPES_AGENT_ERROR_CHECK_FAILED;
    brio_string_dup(&err->val.check_failed, "some did not hold");
    return false;
  }
  brio_string_dup(&ret->summary, "every function answered");
  ret->metrics.len = 0;
  return true;
}
