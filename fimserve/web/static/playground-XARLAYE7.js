var g=class{constructor(e){this.settings=e}settings;waiting=[];isSending=!1;isOver=!1;retryMs=2e3;timer;add(e){this.isOver||!this.settings.maySend()||(this.waiting=[...this.waiting,e].slice(-500),this.wake(500))}clear(){this.waiting=[]}leave(){this.waiting.length>0&&this.settings.maySend()&&this.post(this.waiting,!0)}wake(e){this.timer??=setTimeout(()=>{this.timer=void 0,this.send()},e)}async send(){if(this.isSending||this.isOver||this.waiting.length===0)return;this.isSending=!0;let e=this.waiting.slice(0,100),t=await this.post(e,!1);this.isSending=!1,t&&(this.waiting=this.waiting.filter(n=>!e.includes(n))),this.retryMs=t?2e3:Math.min(2*this.retryMs,6e4),this.waiting.length>0&&this.wake(t?0:this.retryMs)}async post(e,t){let n=this.settings.key();try{let s=await fetch("/v1/events",{method:"POST",headers:{"content-type":"application/json",...n===null?{}:{authorization:`Bearer ${n}`}},body:JSON.stringify({events:e}),keepalive:t});return s.ok&&this.settings.onSent(e.length),(s.status===404||s.status===403)&&this.end(),s.ok||!(s.status===401||s.status===429||s.status>=500)}catch{return!1}}end(){this.isOver=!0,this.clear(),this.settings.onOver()}};var O="fimserve-events",v=class{constructor(e,t){this.place=e;let n=e.querySelector("input"),s=e.querySelector("output");if(n===null||s===null)throw new Error("the switch of events lacks a part");this.box=n,this.told=s,n.checked=localStorage.getItem(O)!=="off",n.addEventListener("change",()=>{localStorage.setItem(O,n.checked?"on":"off"),this.say(),t(n.checked)}),this.say()}place;box;told;numSent=0;get isOn(){return!this.place.hidden&&this.box.checked}offer(){this.place.hidden=!1}withdraw(){this.box.disabled=!0,this.told.textContent="This server takes no events from this page."}count(e){this.numSent+=e,this.say()}say(){this.told.textContent=this.box.checked?`${this.numSent} sent.`:"Nothing is sent."}};import{editor as E,KeyCode as p,KeyMod as fe}from"./monaco-WJMKW3E2.js";var ge="Code. Tab accepts a suggestion, Escape dismisses it. Escape, then Tab, leaves the editor.",ve={ariaLabel:ge,automaticLayout:!0,bracketPairColorization:{enabled:!1},contextmenu:!1,fixedOverflowWidgets:!0,folding:!1,fontSize:14,hover:{enabled:"off"},inlineSuggest:{enabled:!0,mode:"subwordSmart",showToolbar:"never",syntaxHighlightingEnabled:!1},lightbulb:{enabled:"off"},lineNumbersMinChars:3,links:!1,minimap:{enabled:!1},model:null,occurrencesHighlight:"off",overviewRulerLanes:0,padding:{top:12,bottom:12},quickSuggestions:!1,scrollBeyondLastLine:!1,scrollbar:{alwaysConsumeMouseWheel:!1},stickyScroll:{enabled:!1},suggestOnTriggerCharacters:!1,unicodeHighlight:{ambiguousCharacters:!1,invisibleCharacters:!1},wordBasedSuggestions:"off",wordWrap:"on",wrappingIndent:"indent"};function P(i){R("light","vs",{ghost:"#6a6f76",background:"#ffffff"}),R("dark","vs-dark",{ghost:"#9097a1",background:"#16181d"}),ye();let e=E.create(i,ve);return be(e),e.addAction({id:"fimserve.suggest",label:"Suggest something here",keybindings:[fe.Alt|p.Backslash],run:()=>I(e)}),e}function I(i){i.trigger("playground","editor.action.inlineSuggest.trigger",{})}function H(i){E.setTheme(`fimserve-${i}`)}function R(i,e,{ghost:t,background:n}){E.defineTheme(`fimserve-${i}`,{base:e,inherit:!0,rules:[],colors:{"editor.background":n,"editorGhostText.foreground":t}})}function ye(){addEventListener("unhandledrejection",i=>{i.reason instanceof Error&&i.reason.name==="Canceled"&&i.preventDefault()})}function q(i){i.focus(),i.trigger("playground","editor.action.inlineSuggest.commit",{})}var we=new Set([p.Tab,p.Shift,p.Escape]);function be(i){let e=t=>i.updateOptions({tabFocusMode:t});i.addAction({id:"fimserve.leaveByTab",label:"Let Tab leave the editor",keybindings:[p.Escape],keybindingContext:"editorTextFocus && !inlineSuggestionVisible",run:()=>e(!0)}),i.onKeyDown(({keyCode:t})=>{we.has(t)||e(!1)}),i.onDidBlurEditorText(()=>e(!1))}var _="fimserve-key",y=class{constructor(e,t){this.form=e;let n=e.querySelector("input");if(n===null)throw new Error("the form of the API key has no field");this.input=n,e.addEventListener("submit",s=>{s.preventDefault(),sessionStorage.setItem(_,this.input.value.trim()),e.hidden=!0,t()})}form;input;get key(){return sessionStorage.getItem(_)||null}get isAsking(){return!this.form.hidden}ask(){sessionStorage.removeItem(_),this.input.value="",this.form.hidden=!1}};function m(i){let e=crypto.getRandomValues(new Uint8Array(i));return Array.from(e,t=>t.toString(16).padStart(2,"0")).join("")}var Se=1,ke={client:"fimserve-playground",editor:"monaco"},w=class{constructor(e,t){this.add=e;this.nowMs=t}add;nowMs;lives=new Map;windowHash=m(16);ask(e,t){let n={requestId:e.requestId,cause:t,viewId:m(8),shownAtMs:null,visibleMs:0,isTold:!1,isOver:!1,taken:0};this.lives.set(e,n);let{prefix:s,suffix:o}=e.question;this.record("requested",e,n,{prefix_chars:s.length,suffix_chars:o.length})}show(e){let t=this.lives.get(e);t===void 0||t.isOver||(t.shownAtMs===null&&(t.shownAtMs=this.nowMs(),t.visibleMs=e.ageMs),e.state==="whole"&&this.tell(e,t))}grow(e){let t=this.lives.get(e);t?.shownAtMs!=null&&e.state==="whole"&&this.tell(e,t)}takePart(e,t){let n=this.lives.get(e);n===void 0||n.isOver||t<=0||(n.taken+=t,this.tell(e,n),this.record("partially_accepted",e,n,{accepted_chars:n.taken,...this.shownMs(n)}))}accept(e,t){let n=this.lives.get(e);n===void 0||n.isOver||(this.tell(e,n),this.record("accepted",e,n,{accepted_chars:n.taken+t,...this.shownMs(n)}),this.forget(e,n))}dismiss(e,t,n=this.nowMs()){let s=this.lives.get(e);s===void 0||s.isOver||(s.shownAtMs!==null&&(this.tell(e,s),this.record("dismissed",e,s,{dismiss_reason:t,...this.shownMs(s,n)})),this.forget(e,s))}fail(e,t){let n=this.lives.get(e);if(n===void 0||n.isOver)return;let s=t>=400?{http_status:t}:{};this.record("error",e,n,{error_code:t===0?"unreachable":"refused",...s}),this.forget(e,n)}finish(){for(let e of[...this.lives.keys()])this.dismiss(e,"other")}tell(e,t){if(t.isTold)return;t.isTold=!0;let{text:n,usage:s,ttftMs:o,e2eMs:r}=e;this.record("shown",e,t,{source:"network",completion_chars:n.length,completion_lines:n.split(`
`).length,visible_ms:t.visibleMs,...o===null?{}:{ttft_ms:o},...r===null?{}:{e2e_ms:r},...s===null?{}:{prompt_tokens:s.promptTokens,cached_tokens:s.cachedTokens,completion_tokens:s.newTokens}})}shownMs(e,t=this.nowMs()){return e.shownAtMs===null?{}:{shown_ms:Math.max(0,t-e.shownAtMs)}}forget(e,t){t.isOver=!0,this.lives.delete(e)}record(e,t,n,s){let{completionId:o,question:r}=t,l=o===null?{}:{completion_id:o,view_id:n.viewId};o===null&&e!=="requested"&&e!=="error"||this.add({id:m(16),type:e,at_ms:Date.now(),schema_version:Se,...ke,window_hash:this.windowHash,language:r.language,trigger:n.cause,request_id:n.requestId,...r.multiline===null?{}:{multiline:r.multiline},...l,...s})}};var b=class{constructor(e,t){this.figures=e;this.rows=t}figures;rows;shown=[];num=0;numbers=new WeakMap;add(e){this.num+=1,this.numbers.set(e,this.num),this.shown.unshift(e),this.shown.length=Math.min(this.shown.length,8),this.render()}render(){let e=this.shown.find(({usage:t})=>t!==null)??this.shown[0];e!==void 0&&this.renderFigures(N(e)),this.rows.replaceChildren(...this.shown.map(t=>this.rowOf(t)))}renderFigures(e){for(let t of this.figures.querySelectorAll("[data-measure]")){let n=e[t.dataset.measure];t.textContent!==n&&(t.textContent=n)}}rowOf(e){let t=document.createElement("tr"),n=N(e),s=document.createElement("th");s.scope="row",s.textContent=String(this.numbers.get(e)),t.append(s);for(let o of[...Object.values(n),xe(e)]){let r=document.createElement("td");r.textContent=o,t.append(r)}return t}};function N({ttftMs:i,e2eMs:e,usage:t}){return{ttft:D(i),e2e:D(e),prompt:t===null?"–":String(t.promptTokens),cached:t===null?"–":String(t.cachedTokens),new:t===null?"–":String(t.newTokens)}}function D(i){return i===null?"–":`${Math.round(i)} ms`}function xe({outcome:i,state:e,text:t}){return i!==null?i:e==="whole"?t===""?"nothing to suggest":"shown":e}import{languages as nt}from"./monaco-WJMKW3E2.js";function u(i,e){let t=document.getElementById(i);if(!(t instanceof e))throw new Error(`the page has no ${e.name} #${i}`);return t}async function*j(i){let e=new TextDecoder,t=i.getReader(),n="";try{for(;;){let{done:s,value:o}=await t.read();n+=s?e.decode():e.decode(o,{stream:!0});let r=n.split(`

`);n=r.pop()??"";for(let l of r){let d=Te(l);d!==""&&(yield d)}if(s)return}}finally{await t.cancel().catch(()=>{})}}function Te(i){return i.split(`
`).filter(e=>e.startsWith("data:")).map(e=>e.slice(5).trimStart()).join(`
`)}var c=class extends Error{constructor(t,n){super(n);this.status=t}status},G={line:64,lines:128},Me=1e5,Ee=5e4;async function*B(i,e,t,n){let s=await fetch("/v1/completions",{method:"POST",headers:{"content-type":"application/json","x-request-id":n,...e===null?{}:{authorization:`Bearer ${e}`}},body:JSON.stringify(Ie(i)),signal:t});if(!s.ok||s.body===null)throw new c(s.status,await Le(s));for await(let o of j(s.body)){if(o==="[DONE]")return;yield*_e(JSON.parse(o))}}function Ie(i){return{prompt:i.prefix.slice(-Me),suffix:i.suffix.slice(0,Ee),language:i.language,path:i.path,session:i.session,multiline:i.multiline,max_tokens:i.multiline===!1?G.line:G.lines,temperature:0,stream:!0,stream_options:{include_usage:!0}}}function*_e(i){if(i.error!==void 0)throw new c(200,i.error.message);i.id!==void 0&&(yield{id:i.id});let e=i.choices?.[0]?.text;e!==void 0&&e!==""&&(yield{text:e}),i.usage&&(yield{usage:{promptTokens:i.usage.prompt_tokens,cachedTokens:i.usage.prompt_tokens_details?.cached_tokens??0,newTokens:i.usage.completion_tokens}})}async function Le(i){try{let e=await i.json();if(e.error!==void 0)return e.error.message}catch{}return`The server answered ${i.status}.`}import{languages as Q}from"./monaco-WJMKW3E2.js";var S=class{constructor(e,t){this.question=e;this.nowMs=t;this.startedMs=t(),this.begun=new Promise(n=>{this.begin=n})}question;nowMs;text="";state="waiting";outcome=null;usage=null;completionId=null;requestId=`web-${m(8)}`;ttftMs=null;e2eMs=null;begun;begin=()=>{};controller=new AbortController;startedMs;get signal(){return this.controller.signal}get ageMs(){return this.nowMs()-this.startedMs}get isRunning(){return this.state==="waiting"||this.state==="arriving"}restAt(e,t,n){let s=this.question;if(n!==s.session||t!==s.suffix||!e.startsWith(s.prefix))return null;let o=e.slice(s.prefix.length);return this.text.startsWith(o)?this.text.slice(o.length):null}async follow(e,t){try{for await(let n of e){if(this.signal.aborted)break;this.takeIn(n),t()}this.end(this.signal.aborted?"aborted":"whole")}catch(n){if(this.end(this.signal.aborted?"aborted":"failed"),!this.signal.aborted)throw n}finally{t()}}abort(){this.controller.abort(),this.begin()}takeIn(e){if("id"in e){this.completionId=e.id;return}if("usage"in e){this.usage=e.usage;return}this.ttftMs??=this.ageMs,this.state="arriving",this.text+=e.text,this.begin()}end(e){this.state=e,this.begin(),e==="whole"&&(this.e2eMs=this.ageMs)}};var Ae=25,Ce=50,k=Q.InlineCompletionEndOfLifeReasonKind,V=Q.InlineCompletionTriggerKind,x=class{constructor(e,t){this.desk=e;this.lifecycle=t}desk;lifecycle;debounceDelayMs=0;current=null;listeners=new Set;isGrowing=!1;onDidChangeInlineCompletions=e=>(this.listeners.add(e),{dispose:()=>{this.listeners.delete(e)}});async provideInlineCompletions(e,t,n,s){let o=this.questionAt(e,t);if(!this.isStillGood(o)){if(n.triggerKind===V.Automatic&&await He(Ae),s.isCancellationRequested||!this.desk.mayAsk())return null;this.isStillGood(o)||this.ask(o,n.triggerKind)}let r=this.current;if(r===null)return null;await r.begun;let l=L(r,o);return!l||s.isCancellationRequested?null:{items:[Re(e,t,l,r)]}}leaveIfBehind(e,t){let n=this.current,s=this.questionAt(e,t);if(n===null||L(n,s)!==null)return;n.isRunning&&n.abort();let o=U(n,s),r=performance.now();setTimeout(()=>this.lifecycle.dismiss(n,o,r),Ce)}reset(){this.current?.abort(),this.current=null}handleItemDidShow(e,{suggestion:t}){this.lifecycle.show(t)}handlePartialAccept(e,t,n,{acceptedLength:s}){let o=Math.min(s,t.rest.length);this.lifecycle.takePart(t.suggestion,o-t.numTaken),t.numTaken=Math.max(t.numTaken,o)}handleEndOfLifetime(e,{suggestion:t,rest:n,numTaken:s},o){o.kind!==k.Ignored&&(o.kind===k.Accepted?this.lifecycle.accept(t,n.length-s):this.lifecycle.dismiss(t,"escape"),t.outcome=o.kind===k.Accepted?"accepted":"dismissed",o.kind===k.Rejected&&t.abort(),this.desk.onChanged(t))}disposeInlineCompletions(){}questionAt(e,t){let n=e.getValue(),s=e.getOffsetAt(t);return{prefix:n.slice(0,s),suffix:n.slice(s),language:e.getLanguageId(),path:e.uri.path.slice(1),session:this.desk.sessionOf(e),multiline:this.desk.isMultiline()}}isStillGood(e){let t=this.current;if(t===null||t.state==="failed"||t.signal.aborted)return!1;let n=L(t,e);return n!==null&&(n!==""||t.isRunning||Oe(t,e))}ask(e,t){let n=this.current;n!==null&&this.lifecycle.dismiss(n,U(n,e)),n?.isRunning?n.abort():n?.state==="whole"&&n.text!==""&&(n.outcome??="passed over",this.desk.onChanged(n));let s=new S(e,()=>performance.now());this.current=s,this.desk.onAsked(s),this.lifecycle.ask(s,t===V.Automatic?"auto":"invoked");let{signal:o,requestId:r}=s;s.follow(B(e,this.desk.key(),o,r),()=>this.onPiece(s)).catch(l=>{let d=Pe(l);this.lifecycle.fail(s,d.status),this.desk.onRefused(d)})}onPiece(e){this.desk.onChanged(e),this.lifecycle.grow(e),!this.isGrowing&&(this.isGrowing=!0,requestAnimationFrame(()=>{if(this.isGrowing=!1,e===this.current&&!e.signal.aborted)for(let t of this.listeners)t({data:"grown"})}))}};function L(i,e){return i.restAt(e.prefix,e.suffix,e.session)}function Oe(i,e){return i.question.prefix===e.prefix}function Re(i,e,t,n){let{lineNumber:s,column:o}=e,r=i.getLineContent(s).slice(o-1),l=t.includes(`
`)?r:"",d={startLineNumber:s,startColumn:o,endLineNumber:s,endColumn:o+l.length};return{insertText:t+l,range:d,suggestion:n,rest:t,numTaken:0}}function U({question:i},e){if(i.session!==e.session)return"file_switched";let t=e.prefix.startsWith(i.prefix)&&e.suffix===i.suffix;return t&&e.prefix!==i.prefix?"typed_over":t?"replaced":"caret_moved"}function Pe(i){return i instanceof c?i:new c(0,"The server does not answer. Is fimserve running?")}function He(i){return new Promise(e=>setTimeout(e,i))}import{editor as Ze,Uri as et}from"./monaco-WJMKW3E2.js";var F=`#include <string>
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
`;var $=`#include <cmath>
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
`;var W=`using System;

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
`;var X=`using System;
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
`;var K=`package queue

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
`;var z=`package main

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
`;var J=`package bank;

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
`;var Y=`public final class Matrix {
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
`;var Z=`/** Calls a function once its callers have been quiet for a while. */
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
`;var ee=`const fs = require("fs");

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
`;var te=`"""Books on a shelf that holds only so many."""

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
`;var ne=`"""Averages and spread of a list of numbers."""

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
`;var ie=`"""Counts the words of text files."""

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
`;var se=`use std::fs::File;
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
`;var oe=`/// A stack that never grows past its limit.
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
`;var re=`interface Item {
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
`;var ae=`export interface RetryOptions {
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
`;var h=[{id:"python",label:"Python",samples:[{path:"statistics.py",text:ne},{path:"word_count.py",text:ie},{path:"shelf.py",text:te}]},{id:"java",label:"Java",samples:[{path:"Account.java",text:J},{path:"Matrix.java",text:Y}]},{id:"javascript",label:"JavaScript",samples:[{path:"debounce.js",text:Z},{path:"todo.js",text:ee}]},{id:"typescript",label:"TypeScript",samples:[{path:"inventory.ts",text:re},{path:"retry.ts",text:ae}]},{id:"go",label:"Go",samples:[{path:"queue.go",text:K},{path:"server.go",text:z}]},{id:"rust",label:"Rust",samples:[{path:"stack.rs",text:oe},{path:"lines.rs",text:se}]},{id:"cpp",label:"C++",samples:[{path:"vector2.cpp",text:$},{path:"join.cpp",text:F}]},{id:"csharp",label:"C#",samples:[{path:"TemperatureLog.cs",text:X},{path:"Greeter.cs",text:W}]}];var ue="█",T=class{constructor(e,t,n){this.languages=e;this.samples=t;this.code=n;e.replaceChildren(...h.map(({id:s,label:o})=>new Option(o,s))),e.addEventListener("change",()=>this.listSamples()),t.addEventListener("change",()=>this.show()),this.listSamples()}languages;samples;code;models=new Map;views=new Map;tab=tt();open=null;sessionOf(e){return`playground-${this.tab}${e.uri.path}`}restore(){let e=this.open;e!==null&&(this.models.get(e)?.setValue(le(e)),this.placeCursor(e),this.code.focus())}get language(){let e=h.find(({id:t})=>t===this.languages.value);if(e===void 0)throw new Error(`no language is ${this.languages.value}`);return e}listSamples(){let e=this.language.samples.map(({path:t},n)=>new Option(t,String(n)));this.samples.replaceChildren(...e),this.show()}show(){this.open!==null&&this.views.set(this.open,this.code.saveViewState());let e=this.language.samples[Number(this.samples.value)];if(e===void 0)return;this.open=e;let t=this.models.get(e);this.code.setModel(t??this.makeModel(e)),t===void 0?this.placeCursor(e):this.code.restoreViewState(this.views.get(e)??null)}makeModel(e){let t=`file:///${e.path}`,n=Ze.createModel(le(e),this.language.id,et.parse(t));return this.models.set(e,n),n}placeCursor(e){let t=this.models.get(e);if(t===void 0)return;let n=t.getPositionAt(e.text.indexOf(ue));this.code.setPosition(n),this.code.revealPositionInCenterIfOutsideViewport(n)}};function le({text:i}){return i.replace(ue,"")}function tt(){let i=crypto.getRandomValues(new Uint32Array(2));return Array.from(i,e=>e.toString(36)).join("")}var de="fimserve-theme",M=class{constructor(e,t){this.button=e;this.onTheme=t;e.addEventListener("click",()=>this.choose(this.theme==="dark"?"light":"dark")),this.system.addEventListener("change",()=>this.show()),this.show()}button;onTheme;system=matchMedia("(prefers-color-scheme: dark)");get theme(){let e=localStorage.getItem(de);return e==="light"||e==="dark"?e:this.system.matches?"dark":"light"}choose(e){localStorage.setItem(de,e),this.show()}show(){let e=this.theme;document.documentElement.dataset.theme=e,this.button.setAttribute("aria-pressed",String(e==="dark")),this.onTheme(e)}};var it=401,st=499;function ot(){let i=P(u("editor",HTMLDivElement));new M(u("theme",HTMLButtonElement),H);let e=u("status",HTMLElement),t=new b(u("figures",HTMLElement),u("suggestions",HTMLTableSectionElement)),n=u("lines",HTMLSelectElement),s=new T(u("language",HTMLSelectElement),u("sample",HTMLSelectElement),i),o=new y(u("key",HTMLFormElement),()=>{pe(),A()}),r=new v(u("events",HTMLElement),a=>{a||l.clear()}),l=new g({maySend:()=>r.isOn,key:()=>o.key,onSent:a=>r.count(a),onOver:()=>r.withdraw()}),d=new w(a=>l.add(a),()=>performance.now()),ce={sessionOf:a=>s.sessionOf(a),isMultiline:()=>({auto:null,one:!1,several:!0})[n.value]??null,mayAsk:()=>!o.isAsking,key:()=>o.key,onAsked:a=>t.add(a),onChanged(a){a.text!==""&&(e.textContent=""),t.render()},onRefused:me},f=new x(ce,d);function me({status:a,message:he}){a!==st&&(a===it&&o.ask(),e.textContent=he)}function A(){at(u("model",HTMLElement),r,o.key)}function pe(){f.reset(),e.textContent="",i.focus(),I(i)}n.addEventListener("change",()=>f.reset()),u("reset",HTMLButtonElement).addEventListener("click",()=>s.restore());let C=u("accept",HTMLButtonElement);C.addEventListener("mousedown",a=>a.preventDefault()),C.addEventListener("click",()=>q(i)),u("skip",HTMLAnchorElement).addEventListener("click",a=>{a.preventDefault(),i.focus()}),nt.registerInlineCompletionsProvider(h.map(({id:a})=>a),f),rt(i,f),addEventListener("pagehide",()=>{d.finish(),l.leave()}),A()}function rt(i,e){i.onDidChangeCursorPosition(({position:t})=>{let n=i.getModel();n!==null&&e.leaveIfBehind(n,t)})}async function at(i,e,t){try{let n=t===null?{}:{authorization:`Bearer ${t}`},s=await(await fetch("/health",{headers:n})).json();if(s.events===!0&&e.offer(),s.model===void 0||s.device===void 0)return;i.textContent=s.device===null?s.model:`${s.model}, ${s.device}`}catch{}}ot();
