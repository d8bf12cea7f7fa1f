"""An agent of three roles, each with a model of another provider, all through one OpenAI-compatible address.

The planner says what to find out, the executor calls the tools, the summarizer writes the answer. The program holds no
key: it talks to the gateway beside it, whose address is in OPENAI_BASE_URL.
"""

import ast
import operator
import os
import sys
import uuid
from typing import Annotated, TypedDict

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition

# provider/model: the provider is the name of an LLMProvider in objects/.
PLANNER = os.environ.get("PLANNER_MODEL", "openai/gpt-4o")
EXECUTOR = os.environ.get("EXECUTOR_MODEL", "anthropic/claude-haiku-4-5")
SUMMARIZER = os.environ.get("SUMMARIZER_MODEL", "gemini/gemini-2.5-flash")

# The gateway counts what each run uses. With a checkpointer, the thread's id would do.
RUN = str(uuid.uuid4())

DAILY_RENT = {"canoe": 40, "kayak": 35, "outrigger": 60}
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


@tool
def lookup(boat: str) -> str:
    """The rent of a boat for a day, in dollars."""
    rent = DAILY_RENT.get(boat.lower())
    return f"A {boat} is {rent} dollars a day." if rent else f"There is no {boat}; there are {', '.join(DAILY_RENT)}."


@tool
def calculator(expression: str) -> str:
    """The value of an expression of numbers, parentheses and + - * /."""

    def value(node):
        match node:
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.BinOp(left, op, right) if type(op) in OPERATORS:
                return OPERATORS[type(op)](value(left), value(right))
        raise ValueError("only numbers, parentheses and + - * /")

    try:
        return str(value(ast.parse(expression, mode="eval").body))
    except (ValueError, SyntaxError, ZeroDivisionError, RecursionError) as error:
        return f"{expression} can't be computed: {error}"  # the model reads this and may try again


TOOLS = [lookup, calculator]


class State(TypedDict):
    question: str
    plan: str
    messages: Annotated[list[AnyMessage], add_messages]
    answer: str


def model(name):
    # The gateway knows its caller from where it stands; what SDKs must send as a key is a placeholder.
    return ChatOpenAI(
        model=name,
        base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:4180/v1"),
        api_key=os.environ.get("OPENAI_API_KEY", "placeholder"),
        default_headers={"x-outrigger-session": RUN},
    )


def plan(state):
    ask = [SystemMessage("Say in two or three steps what must be looked up and computed."), HumanMessage(state["question"])]
    found = model(PLANNER).invoke(ask).text
    return {"plan": found, "messages": [HumanMessage(f"{state['question']}\n\nPlan:\n{found}")]}


def execute(state):
    return {"messages": [model(EXECUTOR).bind_tools(TOOLS).invoke(state["messages"])]}


def summarize(state):
    found = "\n".join(message.text for message in state["messages"])
    ask = [SystemMessage("Answer the question in one sentence."), HumanMessage(f"{state['question']}\n\nFound:\n{found}")]
    return {"answer": model(SUMMARIZER).invoke(ask).text}


def agent():
    graph = StateGraph(State)
    graph.add_node("planner", plan)
    graph.add_node("executor", execute)
    graph.add_node("tools", ToolNode(TOOLS))
    graph.add_node("summarizer", summarize)
    graph.add_edge(START, "planner")
    graph.add_edge("planner", "executor")
    graph.add_conditional_edges("executor", tools_condition, {"tools": "tools", END: "summarizer"})
    graph.add_edge("tools", "executor")
    graph.add_edge("summarizer", END)
    return graph.compile()


def main():
    question = " ".join(sys.argv[1:]) or "What do three canoes cost for two days?"
    # A recursion limit, because a model that always calls a tool would never end.
    end = agent().invoke({"question": question}, {"recursion_limit": 12})
    print(f"plan ({PLANNER}):\n{end['plan']}\n")
    for message in end["messages"]:
        if message.type == "tool":
            print(f"tool {message.name}: {message.text}")
    print(f"\nanswer ({SUMMARIZER}):\n{end['answer']}")


if __name__ == "__main__":
    main()
