import{editor as w,KeyCode as m,KeyMod as oe}from"./monaco-WJMKW3E2.js";var ie="Code. Tab accepts a suggestion, Escape dismisses it. Escape, then Tab, leaves the editor.",se={ariaLabel:ie,automaticLayout:!0,bracketPairColorization:{enabled:!1},contextmenu:!1,fixedOverflowWidgets:!0,folding:!1,fontSize:14,hover:{enabled:"off"},inlineSuggest:{enabled:!0,mode:"subwordSmart",showToolbar:"never",syntaxHighlightingEnabled:!1},lightbulb:{enabled:"off"},lineNumbersMinChars:3,links:!1,minimap:{enabled:!1},model:null,occurrencesHighlight:"off",overviewRulerLanes:0,padding:{top:12,bottom:12},quickSuggestions:!1,scrollBeyondLastLine:!1,scrollbar:{alwaysConsumeMouseWheel:!1},stickyScroll:{enabled:!1},suggestOnTriggerCharacters:!1,unicodeHighlight:{ambiguousCharacters:!1,invisibleCharacters:!1},wordBasedSuggestions:"off",wordWrap:"on",wrappingIndent:"indent"};function L(n){M("light","vs",{ghost:"#6a6f76",background:"#ffffff"}),M("dark","vs-dark",{ghost:"#9097a1",background:"#16181d"}),re();let e=w.create(n,se);return le(e),e.addAction({id:"fimserve.suggest",label:"Suggest something here",keybindings:[oe.Alt|m.Backslash],run:()=>k(e)}),e}function k(n){n.trigger("playground","editor.action.inlineSuggest.trigger",{})}function I(n){w.setTheme(`fimserve-${n}`)}function M(n,e,{ghost:t,background:o}){w.defineTheme(`fimserve-${n}`,{base:e,inherit:!0,rules:[],colors:{"editor.background":o,"editorGhostText.foreground":t}})}function re(){addEventListener("unhandledrejection",n=>{n.reason instanceof Error&&n.reason.name==="Canceled"&&n.preventDefault()})}function C(n){n.focus(),n.trigger("playground","editor.action.inlineSuggest.commit",{})}var ae=new Set([m.Tab,m.Shift,m.Escape]);function le(n){let e=t=>n.updateOptions({tabFocusMode:t});n.addAction({id:"fimserve.leaveByTab",label:"Let Tab leave the editor",keybindings:[m.Escape],keybindingContext:"editorTextFocus && !inlineSuggestionVisible",run:()=>e(!0)}),n.onKeyDown(({keyCode:t})=>{ae.has(t)||e(!1)}),n.onDidBlurEditorText(()=>e(!1))}var S="fimserve-key",f=class{constructor(e,t){this.form=e;let o=e.querySelector("input");if(o===null)throw new Error("the form of the API key has no field");this.input=o,e.addEventListener("submit",i=>{i.preventDefault(),sessionStorage.setItem(S,this.input.value.trim()),e.hidden=!0,t()})}form;input;get key(){return sessionStorage.getItem(S)||null}get isAsking(){return!this.form.hidden}ask(){sessionStorage.removeItem(S),this.input.value="",this.form.hidden=!1}};var h=class{constructor(e,t){this.figures=e;this.rows=t}figures;rows;shown=[];num=0;numbers=new WeakMap;add(e){this.num+=1,this.numbers.set(e,this.num),this.shown.unshift(e),this.shown.length=Math.min(this.shown.length,8),this.render()}render(){let e=this.shown.find(({usage:t})=>t!==null)??this.shown[0];e!==void 0&&this.renderFigures(A(e)),this.rows.replaceChildren(...this.shown.map(t=>this.rowOf(t)))}renderFigures(e){for(let t of this.figures.querySelectorAll("[data-measure]")){let o=e[t.dataset.measure];t.textContent!==o&&(t.textContent=o)}}rowOf(e){let t=document.createElement("tr"),o=A(e),i=document.createElement("th");i.scope="row",i.textContent=String(this.numbers.get(e)),t.append(i);for(let s of[...Object.values(o),ue(e)]){let r=document.createElement("td");r.textContent=s,t.append(r)}return t}};function A({ttftMs:n,e2eMs:e,usage:t}){return{ttft:O(n),e2e:O(e),prompt:t===null?"–":String(t.promptTokens),cached:t===null?"–":String(t.cachedTokens),new:t===null?"–":String(t.newTokens)}}function O(n){return n===null?"–":`${Math.round(n)} ms`}function ue({outcome:n,state:e,text:t}){return n!==null?n:e==="whole"?t===""?"nothing to suggest":"shown":e}import{languages as Ve}from"./monaco-WJMKW3E2.js";function l(n,e){let t=document.getElementById(n);if(!(t instanceof e))throw new Error(`the page has no ${e.name} #${n}`);return t}async function*_(n){let e=new TextDecoder,t=n.getReader(),o="";try{for(;;){let{done:i,value:s}=await t.read();o+=i?e.decode():e.decode(s,{stream:!0});let r=o.split(`

`);o=r.pop()??"";for(let u of r){let d=ce(u);d!==""&&(yield d)}if(i)return}}finally{await t.cancel().catch(()=>{})}}function ce(n){return n.split(`
`).filter(e=>e.startsWith("data:")).map(e=>e.slice(5).trimStart()).join(`
`)}var c=class extends Error{constructor(t,o){super(o);this.status=t}status},R={line:64,lines:128},de=1e5,me=5e4;async function*P(n,e,t){let o=await fetch("/v1/completions",{method:"POST",headers:{"content-type":"application/json",...e===null?{}:{authorization:`Bearer ${e}`}},body:JSON.stringify(pe(n)),signal:t});if(!o.ok||o.body===null)throw new c(o.status,await he(o));for await(let i of _(o.body)){if(i==="[DONE]")return;yield*fe(JSON.parse(i))}}function pe(n){return{prompt:n.prefix.slice(-de),suffix:n.suffix.slice(0,me),language:n.language,path:n.path,session:n.session,multiline:n.multiline,max_tokens:n.multiline===!1?R.line:R.lines,temperature:0,stream:!0,stream_options:{include_usage:!0}}}function*fe(n){if(n.error!==void 0)throw new c(200,n.error.message);let e=n.choices?.[0]?.text;e!==void 0&&e!==""&&(yield{text:e}),n.usage&&(yield{usage:{promptTokens:n.usage.prompt_tokens,cachedTokens:n.usage.prompt_tokens_details?.cached_tokens??0,newTokens:n.usage.completion_tokens}})}async function he(n){try{let e=await n.json();if(e.error!==void 0)return e.error.message}catch{}return`The server answered ${n.status}.`}import{languages as H}from"./monaco-WJMKW3E2.js";var g=class{constructor(e,t){this.question=e;this.nowMs=t;this.startedMs=t(),this.begun=new Promise(o=>{this.begin=o})}question;nowMs;text="";state="waiting";outcome=null;usage=null;ttftMs=null;e2eMs=null;begun;begin=()=>{};controller=new AbortController;startedMs;get signal(){return this.controller.signal}get isRunning(){return this.state==="waiting"||this.state==="arriving"}restAt(e,t,o){let i=this.question;if(o!==i.session||t!==i.suffix||!e.startsWith(i.prefix))return null;let s=e.slice(i.prefix.length);return this.text.startsWith(s)?this.text.slice(s.length):null}async follow(e,t){try{for await(let o of e){if(this.signal.aborted)break;this.takeIn(o),t()}this.end(this.signal.aborted?"aborted":"whole")}catch(o){if(this.end(this.signal.aborted?"aborted":"failed"),!this.signal.aborted)throw o}finally{t()}}abort(){this.controller.abort(),this.begin()}takeIn(e){if("usage"in e){this.usage=e.usage;return}this.ttftMs??=this.nowMs()-this.startedMs,this.state="arriving",this.text+=e.text,this.begin()}end(e){this.state=e,this.begin(),e==="whole"&&(this.e2eMs=this.nowMs()-this.startedMs)}};var ge=25,x=H.InlineCompletionEndOfLifeReasonKind,ve=H.InlineCompletionTriggerKind,v=class{constructor(e){this.desk=e}desk;debounceDelayMs=0;current=null;listeners=new Set;isGrowing=!1;onDidChangeInlineCompletions=e=>(this.listeners.add(e),{dispose:()=>{this.listeners.delete(e)}});async provideInlineCompletions(e,t,o,i){let s=this.questionAt(e,t);if(!this.isStillGood(s)){if(o.triggerKind===ve.Automatic&&await ke(ge),i.isCancellationRequested||!this.desk.mayAsk())return null;this.isStillGood(s)||this.ask(s)}let r=this.current;if(r===null)return null;await r.begun;let u=T(r,s);return!u||i.isCancellationRequested?null:{items:[ye(e,t,u,r)]}}abortIfLeftBehind(e,t){let o=this.current;o?.isRunning&&T(o,this.questionAt(e,t))===null&&o.abort()}reset(){this.current?.abort(),this.current=null}handleEndOfLifetime(e,{suggestion:t},o){o.kind!==x.Ignored&&(t.outcome=o.kind===x.Accepted?"accepted":"dismissed",o.kind===x.Rejected&&t.abort(),this.desk.onChanged(t))}disposeInlineCompletions(){}questionAt(e,t){let o=e.getValue(),i=e.getOffsetAt(t);return{prefix:o.slice(0,i),suffix:o.slice(i),language:e.getLanguageId(),path:e.uri.path.slice(1),session:this.desk.sessionOf(e),multiline:this.desk.isMultiline()}}isStillGood(e){let t=this.current;if(t===null||t.state==="failed"||t.signal.aborted)return!1;let o=T(t,e);return o!==null&&(o!==""||t.isRunning||be(t,e))}ask(e){let t=this.current;t?.isRunning?t.abort():t?.state==="whole"&&t.text!==""&&(t.outcome??="passed over",this.desk.onChanged(t));let o=new g(e,()=>performance.now());this.current=o,this.desk.onAsked(o);let i=P(e,this.desk.key(),o.signal);o.follow(i,()=>this.onPiece(o)).catch(s=>this.desk.onRefused(we(s)))}onPiece(e){this.desk.onChanged(e),!this.isGrowing&&(this.isGrowing=!0,requestAnimationFrame(()=>{if(this.isGrowing=!1,e===this.current&&!e.signal.aborted)for(let t of this.listeners)t({data:"grown"})}))}};function T(n,e){return n.restAt(e.prefix,e.suffix,e.session)}function be(n,e){return n.question.prefix===e.prefix}function ye(n,e,t,o){let{lineNumber:i,column:s}=e,r=n.getLineContent(i).slice(s-1),u=t.includes(`
`)?r:"",d={startLineNumber:i,startColumn:s,endLineNumber:i,endColumn:s+u.length};return{insertText:t+u,range:d,suggestion:o}}function we(n){return n instanceof c?n:new c(0,"The server does not answer. Is fimserve running?")}function ke(n){return new Promise(e=>setTimeout(e,n))}import{editor as Ne,Uri as Be}from"./monaco-WJMKW3E2.js";var q=`#include <string>
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
`;var j=`#include <cmath>
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
`;var G=`using System;

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
`;var N=`using System;
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
`;var B=`package queue

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
`;var D=`package main

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
`;var V=`package bank;

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
`;var U=`public final class Matrix {
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
`;var Q=`/** Calls a function once its callers have been quiet for a while. */
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
`;var F=`const fs = require("fs");

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
`;var $=`"""Books on a shelf that holds only so many."""

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
`;var W=`"""Averages and spread of a list of numbers."""

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
`;var K=`"""Counts the words of text files."""

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
`;var z=`use std::fs::File;
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
`;var J=`/// A stack that never grows past its limit.
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
`;var X=`interface Item {
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
`;var Y=`export interface RetryOptions {
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
`;var p=[{id:"python",label:"Python",samples:[{path:"statistics.py",text:W},{path:"word_count.py",text:K},{path:"shelf.py",text:$}]},{id:"java",label:"Java",samples:[{path:"Account.java",text:V},{path:"Matrix.java",text:U}]},{id:"javascript",label:"JavaScript",samples:[{path:"debounce.js",text:Q},{path:"todo.js",text:F}]},{id:"typescript",label:"TypeScript",samples:[{path:"inventory.ts",text:X},{path:"retry.ts",text:Y}]},{id:"go",label:"Go",samples:[{path:"queue.go",text:B},{path:"server.go",text:D}]},{id:"rust",label:"Rust",samples:[{path:"stack.rs",text:J},{path:"lines.rs",text:z}]},{id:"cpp",label:"C++",samples:[{path:"vector2.cpp",text:j},{path:"join.cpp",text:q}]},{id:"csharp",label:"C#",samples:[{path:"TemperatureLog.cs",text:N},{path:"Greeter.cs",text:G}]}];var ee="█",b=class{constructor(e,t,o){this.languages=e;this.samples=t;this.code=o;e.replaceChildren(...p.map(({id:i,label:s})=>new Option(s,i))),e.addEventListener("change",()=>this.listSamples()),t.addEventListener("change",()=>this.show()),this.listSamples()}languages;samples;code;models=new Map;views=new Map;tab=De();open=null;sessionOf(e){return`playground-${this.tab}${e.uri.path}`}restore(){let e=this.open;e!==null&&(this.models.get(e)?.setValue(Z(e)),this.placeCursor(e),this.code.focus())}get language(){let e=p.find(({id:t})=>t===this.languages.value);if(e===void 0)throw new Error(`no language is ${this.languages.value}`);return e}listSamples(){let e=this.language.samples.map(({path:t},o)=>new Option(t,String(o)));this.samples.replaceChildren(...e),this.show()}show(){this.open!==null&&this.views.set(this.open,this.code.saveViewState());let e=this.language.samples[Number(this.samples.value)];if(e===void 0)return;this.open=e;let t=this.models.get(e);this.code.setModel(t??this.makeModel(e)),t===void 0?this.placeCursor(e):this.code.restoreViewState(this.views.get(e)??null)}makeModel(e){let t=`file:///${e.path}`,o=Ne.createModel(Z(e),this.language.id,Be.parse(t));return this.models.set(e,o),o}placeCursor(e){let t=this.models.get(e);if(t===void 0)return;let o=t.getPositionAt(e.text.indexOf(ee));this.code.setPosition(o),this.code.revealPositionInCenterIfOutsideViewport(o)}};function Z({text:n}){return n.replace(ee,"")}function De(){let n=crypto.getRandomValues(new Uint32Array(2));return Array.from(n,e=>e.toString(36)).join("")}var te="fimserve-theme",y=class{constructor(e,t){this.button=e;this.onTheme=t;e.addEventListener("click",()=>this.choose(this.theme==="dark"?"light":"dark")),this.system.addEventListener("change",()=>this.show()),this.show()}button;onTheme;system=matchMedia("(prefers-color-scheme: dark)");get theme(){let e=localStorage.getItem(te);return e==="light"||e==="dark"?e:this.system.matches?"dark":"light"}choose(e){localStorage.setItem(te,e),this.show()}show(){let e=this.theme;document.documentElement.dataset.theme=e,this.button.setAttribute("aria-pressed",String(e==="dark")),this.onTheme(e)}};var Ue=401,Qe=499;function Fe(){let n=L(l("editor",HTMLDivElement));new y(l("theme",HTMLButtonElement),I);let e=l("status",HTMLElement),t=new h(l("figures",HTMLElement),l("suggestions",HTMLTableSectionElement)),o=l("lines",HTMLSelectElement),i=new b(l("language",HTMLSelectElement),l("sample",HTMLSelectElement),n),s=new f(l("key",HTMLFormElement),d),r=new v({sessionOf:a=>i.sessionOf(a),isMultiline:()=>({auto:null,one:!1,several:!0})[o.value]??null,mayAsk:()=>!s.isAsking,key:()=>s.key,onAsked:a=>t.add(a),onChanged(a){a.text!==""&&(e.textContent=""),t.render()},onRefused:u});function u({status:a,message:ne}){a!==Qe&&(a===Ue&&s.ask(),e.textContent=ne)}function d(){r.reset(),e.textContent="",n.focus(),k(n)}o.addEventListener("change",()=>r.reset()),l("reset",HTMLButtonElement).addEventListener("click",()=>i.restore());let E=l("accept",HTMLButtonElement);E.addEventListener("mousedown",a=>a.preventDefault()),E.addEventListener("click",()=>C(n)),l("skip",HTMLAnchorElement).addEventListener("click",a=>{a.preventDefault(),n.focus()}),Ve.registerInlineCompletionsProvider(p.map(({id:a})=>a),r),$e(n,r),We(l("model",HTMLElement))}function $e(n,e){n.onDidChangeCursorPosition(({position:t})=>{let o=n.getModel();o!==null&&e.abortIfLeftBehind(o,t)})}async function We(n){try{let e=await(await fetch("/health")).json();n.textContent=e.device===null?e.model:`${e.model}, ${e.device}`}catch{}}Fe();
