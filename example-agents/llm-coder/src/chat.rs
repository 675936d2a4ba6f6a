//! The conversation, as `/chat/completions` has it.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::CoderError;
use crate::tools;

/// So much of a conversation is sent at most.
const MOST: usize = 4 << 20;

const SYSTEM: &str = "You edit the files of a directory to do the user's task. Use the tools: \
    paths are relative to the directory. Look before you change; make the smallest change that \
    does the task. When it is done, answer without a tool, with one line that says what you did.";

/// What was said so far.
pub(crate) struct Conversation {
    model: String,
    messages: Vec<Value>,
}

impl Conversation {
    pub(crate) fn new(model: &str, task: &str) -> Self {
        let messages = vec![
            json!({ "role": "system", "content": SYSTEM }),
            json!({ "role": "user", "content": task }),
        ];
        Self { model: model.to_owned(), messages }
    }

    /// The model's own message, as it was.
    pub(crate) fn said(&mut self, message: Value) {
        self.messages.push(message);
    }

    pub(crate) fn result(&mut self, call: &str, text: &str) {
        self.messages.push(json!({ "role": "tool", "tool_call_id": call, "content": text }));
    }

    pub(crate) fn request(&self) -> Result<Vec<u8>, CoderError> {
        let body = json!({
            "model": self.model, "messages": self.messages, "tools": tools::described(),
        });
        let body = body.to_string().into_bytes();
        if body.len() > MOST {
            return Err(CoderError::TooLarge("the conversation has grown over 4 MiB"));
        }
        Ok(body)
    }
}

/// What the model wants.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Nothing more; what it said.
    Done(String),
    /// These calls, and the message that they are in.
    Calls(Value, Vec<Call>),
}

/// A tool that the model calls.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    /// JSON, as text; the model may have got it wrong.
    pub(crate) arguments: String,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    total_tokens: u64,
}

#[derive(Deserialize)]
struct Choice {
    message: Value,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<ToolCall>>,
}

#[derive(Deserialize)]
struct ToolCall {
    id: String,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    arguments: String,
}

/// Reads an endpoint's answer; how many tokens it says it took, too.
pub(crate) fn answer(body: &[u8]) -> Result<(Answer, u64), CoderError> {
    let malformed = |e: serde_json::Error| {
        CoderError::Malformed(format!("the answer is no chat completion: {e}"))
    };
    let completion: Completion = serde_json::from_slice(body).map_err(malformed)?;
    let tokens = completion.usage.map_or(0, |u| u.total_tokens);
    let choice = completion.choices.into_iter().next();
    let choice = choice.ok_or_else(|| CoderError::Malformed("the answer has no choice".into()))?;
    let message: Message = serde_json::from_value(choice.message.clone()).map_err(malformed)?;
    let calls = message.tool_calls.unwrap_or_default();
    if calls.is_empty() {
        if choice.finish_reason.as_deref() == Some("length") {
            return Err(CoderError::Truncated);
        }
        return Ok((Answer::Done(message.content.unwrap_or_default()), tokens));
    }
    let calls = calls.into_iter().map(|call| Call {
        id: call.id,
        name: call.function.name,
        arguments: call.function.arguments,
    });
    Ok((Answer::Calls(choice.message, calls.collect()), tokens))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_or_refused() {
        let done = br#"{"choices":[{"message":{"content":"ok"}}],"usage":{"total_tokens":7}}"#;
        assert!(matches!(answer(done), Ok((Answer::Done(said), 7)) if said == "ok"));
        let calls = br#"{"choices":[{"message":{"content":null,"tool_calls":[
            {"id":"1","type":"function","function":{"name":"read","arguments":"{}"}}]}}]}"#;
        assert!(matches!(answer(calls), Ok((Answer::Calls(_, calls), 0)) if calls[0].name == "read"));
        for bad in ["", "{", "[]", "{}", r#"{"choices":[]}"#, r#"{"choices":[{"message":5}]}"#] {
            assert!(matches!(answer(bad.as_bytes()), Err(CoderError::Malformed(_))), "{bad}");
        }
        let cut = br#"{"choices":[{"message":{"content":"so"},"finish_reason":"length"}]}"#;
        assert!(matches!(answer(cut), Err(CoderError::Truncated)));
    }
}
