import{editor as w,KeyCode as m,KeyMod as te}from"./monaco-WJMKW3E2.js";var ne="Code. Tab accepts a suggestion, Escape dismisses it. Escape, then Tab, leaves the editor.",se={ariaLabel:ne,automaticLayout:!0,bracketPairColorization:{enabled:!1},contextmenu:!1,fixedOverflowWidgets:!0,folding:!1,fontSize:14,hover:{enabled:"off"},inlineSuggest:{enabled:!0,mode:"subwordSmart",showToolbar:"never",syntaxHighlightingEnabled:!1},lightbulb:{enabled:"off"},lineNumbersMinChars:3,links:!1,minimap:{enabled:!1},model:null,occurrencesHighlight:"off",overviewRulerLanes:0,padding:{top:12,bottom:12},quickSuggestions:!1,scrollBeyondLastLine:!1,scrollbar:{alwaysConsumeMouseWheel:!1},stickyScroll:{enabled:!1},suggestOnTriggerCharacters:!1,unicodeHighlight:{ambiguousCharacters:!1,invisibleCharacters:!1},wordBasedSuggestions:"off",wordWrap:"on",wrappingIndent:"indent"};function M(n){E("light","vs",{ghost:"#6a6f76",background:"#ffffff"}),E("dark","vs-dark",{ghost:"#9097a1",background:"#16181d"}),ie();let e=w.create(n,se);return re(e),e.addAction({id:"fimserve.suggest",label:"Suggest something here",keybindings:[te.Alt|m.Backslash],run:()=>k(e)}),e}function k(n){n.trigger("playground","editor.action.inlineSuggest.trigger",{})}function L(n){w.setTheme(`fimserve-${n}`)}function E(n,e,{ghost:t,background:s}){w.defineTheme(`fimserve-${n}`,{base:e,inherit:!0,rules:[],colors:{"editor.background":s,"editorGhostText.foreground":t}})}function ie(){addEventListener("unhandledrejection",n=>{n.reason instanceof Error&&n.reason.name==="Canceled"&&n.preventDefault()})}var oe=new Set([m.Tab,m.Shift,m.Escape]);function re(n){let e=t=>n.updateOptions({tabFocusMode:t});n.addAction({id:"fimserve.leaveByTab",label:"Let Tab leave the editor",keybindings:[m.Escape],keybindingContext:"editorTextFocus && !inlineSuggestionVisible",run:()=>e(!0)}),n.onKeyDown(({keyCode:t})=>{oe.has(t)||e(!1)}),n.onDidBlurEditorText(()=>e(!1))}var S="fimserve-key",f=class{constructor(e,t){this.form=e;let s=e.querySelector("input");if(s===null)throw new Error("the form of the API key has no field");this.input=s,e.addEventListener("submit",i=>{i.preventDefault(),sessionStorage.setItem(S,this.input.value.trim()),e.hidden=!0,t()})}form;input;get key(){return sessionStorage.getItem(S)||null}get isAsking(){return!this.form.hidden}ask(){sessionStorage.removeItem(S),this.input.value="",this.form.hidden=!1}};var h=class{constructor(e,t){this.figures=e;this.rows=t}figures;rows;shown=[];num=0;numbers=new WeakMap;add(e){this.num+=1,this.numbers.set(e,this.num),this.shown.unshift(e),this.shown.length=Math.min(this.shown.length,8),this.render()}render(){let e=this.shown.find(({usage:t})=>t!==null)??this.shown[0];e!==void 0&&this.renderFigures(C(e)),this.rows.replaceChildren(...this.shown.map(t=>this.rowOf(t)))}renderFigures(e){for(let t of this.figures.querySelectorAll("[data-measure]")){let s=e[t.dataset.measure];t.textContent!==s&&(t.textContent=s)}}rowOf(e){let t=document.createElement("tr"),s=C(e),i=document.createElement("th");i.scope="row",i.textContent=String(this.numbers.get(e)),t.append(i);for(let o of[...Object.values(s),ae(e)]){let r=document.createElement("td");r.textContent=o,t.append(r)}return t}};function C({ttftMs:n,e2eMs:e,usage:t}){return{ttft:I(n),e2e:I(e),prompt:t===null?"–":String(t.promptTokens),cached:t===null?"–":String(t.cachedTokens),new:t===null?"–":String(t.newTokens)}}function I(n){return n===null?"–":`${Math.round(n)} ms`}function ae({outcome:n,state:e,text:t}){return n!==null?n:e==="whole"?t===""?"nothing to suggest":"shown":e}import{languages as Be}from"./monaco-WJMKW3E2.js";async function*A(n){let e=new TextDecoder,t=n.getReader(),s="";try{for(;;){let{done:i,value:o}=await t.read();s+=i?e.decode():e.decode(o,{stream:!0});let r=s.split(`

`);s=r.pop()??"";for(let u of r){let c=le(u);c!==""&&(yield c)}if(i)return}}finally{await t.cancel().catch(()=>{})}}function le(n){return n.split(`
`).filter(e=>e.startsWith("data:")).map(e=>e.slice(5).trimStart()).join(`
`)}var d=class extends Error{constructor(t,s){super(s);this.status=t}status},O={line:64,lines:128},ue=1e5,de=5e4;async function*_(n,e,t){let s=await fetch("/v1/completions",{method:"POST",headers:{"content-type":"application/json",...e===null?{}:{authorization:`Bearer ${e}`}},body:JSON.stringify(ce(n)),signal:t});if(!s.ok||s.body===null)throw new d(s.status,await pe(s));for await(let i of A(s.body)){if(i==="[DONE]")return;yield*me(JSON.parse(i))}}function ce(n){return{prompt:n.prefix.slice(-ue),suffix:n.suffix.slice(0,de),language:n.language,path:n.path,session:n.session,multiline:n.multiline,max_tokens:n.multiline===!1?O.line:O.lines,temperature:0,stream:!0,stream_options:{include_usage:!0}}}function*me(n){if(n.error!==void 0)throw new d(200,n.error.message);let e=n.choices?.[0]?.text;e!==void 0&&e!==""&&(yield{text:e}),n.usage&&(yield{usage:{promptTokens:n.usage.prompt_tokens,cachedTokens:n.usage.prompt_tokens_details?.cached_tokens??0,newTokens:n.usage.completion_tokens}})}async function pe(n){try{let e=await n.json();if(e.error!==void 0)return e.error.message}catch{}return`The server answered ${n.status}.`}import{languages as R}from"./monaco-WJMKW3E2.js";var g=class{constructor(e,t){this.question=e;this.nowMs=t;this.startedMs=t(),this.begun=new Promise(s=>{this.begin=s})}question;nowMs;text="";state="waiting";outcome=null;usage=null;ttftMs=null;e2eMs=null;begun;begin=()=>{};controller=new AbortController;startedMs;get signal(){return this.controller.signal}get isRunning(){return this.state==="waiting"||this.state==="arriving"}restAt(e,t,s){let i=this.question;if(s!==i.session||t!==i.suffix||!e.startsWith(i.prefix))return null;let o=e.slice(i.prefix.length);return this.text.startsWith(o)?this.text.slice(o.length):null}async follow(e,t){try{for await(let s of e){if(this.signal.aborted)break;this.takeIn(s),t()}this.end(this.signal.aborted?"aborted":"whole")}catch(s){if(this.end(this.signal.aborted?"aborted":"failed"),!this.signal.aborted)throw s}finally{t()}}abort(){this.controller.abort(),this.begin()}takeIn(e){if("usage"in e){this.usage=e.usage;return}this.ttftMs??=this.nowMs()-this.startedMs,this.state="arriving",this.text+=e.text,this.begin()}end(e){this.state=e,this.begin(),e==="whole"&&(this.e2eMs=this.nowMs()-this.startedMs)}};var fe=25,x=R.InlineCompletionEndOfLifeReasonKind,he=R.InlineCompletionTriggerKind,v=class{constructor(e){this.desk=e}desk;debounceDelayMs=0;current=null;listeners=new Set;isGrowing=!1;onDidChangeInlineCompletions=e=>(this.listeners.add(e),{dispose:()=>{this.listeners.delete(e)}});async provideInlineCompletions(e,t,s,i){let o=this.questionAt(e,t);if(!this.isStillGood(o)){if(s.triggerKind===he.Automatic&&await ye(fe),i.isCancellationRequested||!this.desk.mayAsk())return null;this.isStillGood(o)||this.ask(o)}let r=this.current;if(r===null)return null;await r.begun;let u=T(r,o);return!u||i.isCancellationRequested?null:{items:[ve(e,t,u,r)]}}abortIfLeftBehind(e,t){let s=this.current;s?.isRunning&&T(s,this.questionAt(e,t))===null&&s.abort()}reset(){this.current?.abort(),this.current=null}handleEndOfLifetime(e,{suggestion:t},s){s.kind!==x.Ignored&&(t.outcome=s.kind===x.Accepted?"accepted":"dismissed",s.kind===x.Rejected&&t.abort(),this.desk.onChanged(t))}disposeInlineCompletions(){}questionAt(e,t){let s=e.getValue(),i=e.getOffsetAt(t);return{prefix:s.slice(0,i),suffix:s.slice(i),language:e.getLanguageId(),path:e.uri.path.slice(1),session:this.desk.sessionOf(e),multiline:this.desk.isMultiline()}}isStillGood(e){let t=this.current;if(t===null||t.state==="failed"||t.signal.aborted)return!1;let s=T(t,e);return s!==null&&(s!==""||t.isRunning||ge(t,e))}ask(e){let t=this.current;t?.isRunning?t.abort():t?.state==="whole"&&t.text!==""&&(t.outcome??="passed over",this.desk.onChanged(t));let s=new g(e,()=>performance.now());this.current=s,this.desk.onAsked(s);let i=_(e,this.desk.key(),s.signal);s.follow(i,()=>this.onPiece(s)).catch(o=>this.desk.onRefused(be(o)))}onPiece(e){this.desk.onChanged(e),!this.isGrowing&&(this.isGrowing=!0,requestAnimationFrame(()=>{if(this.isGrowing=!1,e===this.current&&!e.signal.aborted)for(let t of this.listeners)t({data:"grown"})}))}};function T(n,e){return n.restAt(e.prefix,e.suffix,e.session)}function ge(n,e){return n.question.prefix===e.prefix}function ve(n,e,t,s){let{lineNumber:i,column:o}=e,r=n.getLineContent(i).slice(o-1),u=t.includes(`
`)?r:"",c={startLineNumber:i,startColumn:o,endLineNumber:i,endColumn:o+u.length};return{insertText:t+u,range:c,suggestion:s}}function be(n){return n instanceof d?n:new d(0,"The server does not answer. Is fimserve running?")}function ye(n){return new Promise(e=>setTimeout(e,n))}import{editor as je,Uri as Ge}from"./monaco-WJMKW3E2.js";var P=`#include <string>
#include <vector>

// Puts a separator between the words.
std::string join(const std::vector<std::string>& words, const std::string& separator) {
    std::string result;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) {
            █
        }
        result += words[i];
    }
    return result;
}
`;var H=`#include <cmath>
#include <iostream>

struct Vector2 {
    double x = 0;
    double y = 0;

    Vector2 operator+(const Vector2& other) const {
        return {x + other.x, y + other.y};
    }

    Vector2 operator-(const Vector2& other) const {
        return █
    }

    double length() const {
        return std::sqrt(x * x + y * y);
    }
};

int main() {
    const Vector2 a{3, 4};
    const Vector2 b{1, 1};
    std::cout << (a - b).length() << "\\n";
}
`;var q=`using System;

public class Greeter
{
    private readonly string name;

    public Greeter(string name)
    {
        █
    }

    public string Greet(DateTime now)
    {
        string part = now.Hour < 12 ? "morning" : "day";
        return $"Good {part}, {name}!";
    }
}
`;var j=`using System;
using System.Collections.Generic;
using System.Linq;

public class TemperatureLog
{
    private readonly List<double> readings = new List<double>();

    public void Add(double celsius)
    {
        if (celsius < -273.15)
        {
            throw new ArgumentOutOfRangeException(nameof(celsius));
        }
        readings.Add(celsius);
    }

    public double Average()
    {
        return █
    }

    public double Highest()
    {
        return readings.Max();
    }
}
`;var G=`package queue

import (
	"errors"
	"sync"
)

var ErrEmpty = errors.New("the queue is empty")

// Queue hands out items in the order in which they came.
type Queue struct {
	mutex sync.Mutex
	items []string
}

// Push adds an item at the end.
func (q *Queue) Push(item string) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	█
}

// Pop takes the first item.
func (q *Queue) Pop() (string, error) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if len(q.items) == 0 {
		return "", ErrEmpty
	}
	first := q.items[0]
	q.items = q.items[1:]
	return first, nil
}
`;var N=`package main

import (
	"encoding/json"
	"log"
	"net/http"
)

type status struct {
	Name    string \`json:"name"\`
	Healthy bool   \`json:"healthy"\`
}

func handleStatus(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(status{Name: "demo", Healthy: true}); █
}

func main() {
	http.HandleFunc("/status", handleStatus)
	log.Fatal(http.ListenAndServe("localhost:8080", nil))
}
`;var B=`package bank;

import java.util.ArrayList;
import java.util.List;

public class Account {
    private final String owner;
    private final List<Long> bookings = new ArrayList<>();

    public Account(String owner) {
        this.owner = owner;
    }

    public void deposit(long cents) {
        if (cents <= 0) {
            throw new IllegalArgumentException("a deposit is positive");
        }
        bookings.add(cents);
    }

    public long balance() {
        long sum = 0;
        for (long cents : bookings) {
            █
        }
        return sum;
    }

    public String getOwner() {
        return owner;
    }
}
`;var D=`public final class Matrix {
    private final double[][] cells;

    public Matrix(int rows, int columns) {
        this.cells = new double[rows][columns];
    }

    public int rows() {
        return cells.length;
    }

    public int columns() {
        return █
    }

    public Matrix transposed() {
        Matrix result = new Matrix(columns(), rows());
        for (int row = 0; row < rows(); row++) {
            for (int column = 0; column < columns(); column++) {
                result.cells[column][row] = cells[row][column];
            }
        }
        return result;
    }
}
`;var V=`/** Calls a function once its callers have been quiet for a while. */
export function debounce(call, quietMs) {
  let timer = null;
  return (...values) => {
    if (timer !== null) {
      █
    }
    timer = setTimeout(() => {
      timer = null;
      call(...values);
    }, quietMs);
  };
}

/** Groups items by what a function says of each. */
export function groupBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(item);
  }
  return groups;
}
`;var U=`const fs = require("fs");

class TodoList {
  constructor(path) {
    this.path = path;
    this.items = [];
  }

  load() {
    if (fs.existsSync(this.path)) {
      this.items = JSON.parse(█);
    }
  }

  save() {
    fs.writeFileSync(this.path, JSON.stringify(this.items));
  }

  add(title) {
    this.items.push({ title, done: false });
    this.save();
  }
}

module.exports = { TodoList };
`;var Q=`"""Books on a shelf that holds only so many."""

from dataclasses import dataclass, field


@dataclass
class Book:
    title: str
    author: str
    pages: int


@dataclass
class Shelf:
    capacity: int
    books: list[Book] = field(default_factory=list)

    def add(self, book: Book) -> None:
        if len(self.books) >= self.capacity:
            raise ValueError("the shelf is full")
        self.books.append(book)

    def by_author(self, author: str) -> list[Book]:
        █

    def total_pages(self) -> int:
        return sum(book.pages for book in self.books)
`;var F=`"""Averages and spread of a list of numbers."""

import math


def mean(values):
    """Return the arithmetic mean."""
    return █


def variance(values):
    """Return the mean squared distance from the mean."""
    centre = mean(values)
    return mean([(value - centre) ** 2 for value in values])


def standard_deviation(values):
    """Return the root of the variance."""
    return math.sqrt(variance(values))


if __name__ == "__main__":
    print(standard_deviation([2, 4, 4, 4, 5, 5, 7, 9]))
`;var $=`"""Counts the words of text files."""

import sys
from collections import Counter
from pathlib import Path


def read_words(path):
    """Yield the words of a file in lower case."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            for word in █


def main(paths):
    counts = Counter()
    for path in paths:
        counts.update(read_words(Path(path)))
    for word, count in counts.most_common(10):
        print(f"{count:6} {word}")


if __name__ == "__main__":
    main(sys.argv[1:])
`;var W=`use std::fs::File;
use std::io::{self, BufRead, BufReader};

/// Returns the lines of a file that hold a word.
fn matching_lines(path: &str, word: &str) -> io::Result<Vec<String>> {
    let reader = BufReader::new(File::open(path)?);
    let mut found = Vec::new();
    for line in reader.lines() {
        let line = line?;
        if █
    }
    Ok(found)
}

fn main() -> io::Result<()> {
    for line in matching_lines("notes.txt", "todo")? {
        println!("{line}");
    }
    Ok(())
}
`;var K=`/// A stack that never grows past its limit.
pub struct Stack<T> {
    items: Vec<T>,
    limit: usize,
}

impl<T> Stack<T> {
    pub fn new(limit: usize) -> Self {
        Stack { items: Vec::new(), limit }
    }

    pub fn push(&mut self, item: T) -> Result<(), T> {
        if self.items.len() == self.limit {
            return Err(item);
        }
        █
        Ok(())
    }

    pub fn pop(&mut self) -> Option<T> {
        self.items.pop()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}
`;var z=`interface Item {
  name: string;
  price: number;
  quantity: number;
}

export class Inventory {
  private items = new Map<string, Item>();

  add(item: Item): void {
    const known = this.items.get(item.name);
    if (known) {
      known.quantity += item.quantity;
    } else {
      █
    }
  }

  total(): number {
    let sum = 0;
    for (const item of this.items.values()) {
      sum += item.price * item.quantity;
    }
    return sum;
  }
}
`;var J=`export interface RetryOptions {
  attempts: number;
  delayMs: number;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => █);
}

export async function retry<T>(call: () => Promise<T>, options: RetryOptions): Promise<T> {
  let last: unknown;
  for (let attempt = 0; attempt < options.attempts; attempt++) {
    try {
      return await call();
    } catch (error) {
      last = error;
      await sleep(options.delayMs * 2 ** attempt);
    }
  }
  throw last;
}
`;var p=[{id:"python",label:"Python",samples:[{path:"statistics.py",text:F},{path:"word_count.py",text:$},{path:"shelf.py",text:Q}]},{id:"java",label:"Java",samples:[{path:"Account.java",text:B},{path:"Matrix.java",text:D}]},{id:"javascript",label:"JavaScript",samples:[{path:"debounce.js",text:V},{path:"todo.js",text:U}]},{id:"typescript",label:"TypeScript",samples:[{path:"inventory.ts",text:z},{path:"retry.ts",text:J}]},{id:"go",label:"Go",samples:[{path:"queue.go",text:G},{path:"server.go",text:N}]},{id:"rust",label:"Rust",samples:[{path:"stack.rs",text:K},{path:"lines.rs",text:W}]},{id:"cpp",label:"C++",samples:[{path:"vector2.cpp",text:H},{path:"join.cpp",text:P}]},{id:"csharp",label:"C#",samples:[{path:"TemperatureLog.cs",text:j},{path:"Greeter.cs",text:q}]}];var Y="█",b=class{constructor(e,t,s){this.languages=e;this.samples=t;this.code=s;e.replaceChildren(...p.map(({id:i,label:o})=>new Option(o,i))),e.addEventListener("change",()=>this.listSamples()),t.addEventListener("change",()=>this.show()),this.listSamples()}languages;samples;code;models=new Map;views=new Map;tab=Ne();open=null;sessionOf(e){return`playground-${this.tab}${e.uri.path}`}restore(){let e=this.open;e!==null&&(this.models.get(e)?.setValue(X(e)),this.placeCursor(e),this.code.focus())}get language(){let e=p.find(({id:t})=>t===this.languages.value);if(e===void 0)throw new Error(`no language is ${this.languages.value}`);return e}listSamples(){let e=this.language.samples.map(({path:t},s)=>new Option(t,String(s)));this.samples.replaceChildren(...e),this.show()}show(){this.open!==null&&this.views.set(this.open,this.code.saveViewState());let e=this.language.samples[Number(this.samples.value)];if(e===void 0)return;this.open=e;let t=this.models.get(e);this.code.setModel(t??this.makeModel(e)),t===void 0?this.placeCursor(e):this.code.restoreViewState(this.views.get(e)??null)}makeModel(e){let t=`file:///${e.path}`,s=je.createModel(X(e),this.language.id,Ge.parse(t));return this.models.set(e,s),s}placeCursor(e){let t=this.models.get(e);if(t===void 0)return;let s=t.getPositionAt(e.text.indexOf(Y));this.code.setPosition(s),this.code.revealPositionInCenterIfOutsideViewport(s)}};function X({text:n}){return n.replace(Y,"")}function Ne(){let n=crypto.getRandomValues(new Uint32Array(2));return Array.from(n,e=>e.toString(36)).join("")}var Z="fimserve-theme",y=class{constructor(e,t){this.button=e;this.onTheme=t;e.addEventListener("click",()=>this.choose(this.theme==="dark"?"light":"dark")),this.system.addEventListener("change",()=>this.show()),this.show()}button;onTheme;system=matchMedia("(prefers-color-scheme: dark)");get theme(){let e=localStorage.getItem(Z);return e==="light"||e==="dark"?e:this.system.matches?"dark":"light"}choose(e){localStorage.setItem(Z,e),this.show()}show(){let e=this.theme;document.documentElement.dataset.theme=e,this.button.setAttribute("aria-pressed",String(e==="dark")),this.onTheme(e)}};var De=401,Ve=499;function l(n,e){let t=document.getElementById(n);if(!(t instanceof e))throw new Error(`the page has no ${e.name} #${n}`);return t}function Ue(){let n=M(l("editor",HTMLDivElement));new y(l("theme",HTMLButtonElement),L);let e=l("status",HTMLElement),t=new h(l("figures",HTMLElement),l("suggestions",HTMLTableSectionElement)),s=l("lines",HTMLSelectElement),i=new b(l("language",HTMLSelectElement),l("sample",HTMLSelectElement),n),o=new f(l("key",HTMLFormElement),c),r=new v({sessionOf:a=>i.sessionOf(a),isMultiline:()=>({auto:null,one:!1,several:!0})[s.value]??null,mayAsk:()=>!o.isAsking,key:()=>o.key,onAsked:a=>t.add(a),onChanged(a){a.text!==""&&(e.textContent=""),t.render()},onRefused:u});function u({status:a,message:ee}){a!==Ve&&(a===De&&o.ask(),e.textContent=ee)}function c(){r.reset(),e.textContent="",n.focus(),k(n)}s.addEventListener("change",()=>r.reset()),l("reset",HTMLButtonElement).addEventListener("click",()=>i.restore()),l("skip",HTMLAnchorElement).addEventListener("click",a=>{a.preventDefault(),n.focus()}),Be.registerInlineCompletionsProvider(p.map(({id:a})=>a),r),Qe(n,r),Fe(l("model",HTMLElement))}function Qe(n,e){n.onDidChangeCursorPosition(({position:t})=>{let s=n.getModel();s!==null&&e.abortIfLeftBehind(s,t)})}async function Fe(n){try{let e=await(await fetch("/health")).json();n.textContent=e.device===null?e.model:`${e.model}, ${e.device}`}catch{}}Ue();
