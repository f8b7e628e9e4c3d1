"use strict";(function(){
var root=document.documentElement,by=function(id){return document.getElementById(id)};
document.querySelectorAll(".script-only").forEach(function(e){e.hidden=false});
/* theme */
var button=by("theme"),dark=matchMedia("(prefers-color-scheme: dark)");
function isDark(){return root.dataset.theme?root.dataset.theme==="dark":dark.matches}
function name(){button.textContent=isDark()?"Light":"Dark"}
try{var kept=localStorage.getItem("tgs-theme");if(kept)root.dataset.theme=kept}catch(e){}
button.onclick=function(){root.dataset.theme=isDark()?"light":"dark";name();try{localStorage.setItem("tgs-theme",root.dataset.theme)}catch(e){}};
name();
/* columns: find and order */
var find=by("find"),order=by("order"),grid=document.querySelector(".cards");
if(find&&grid){
var cards=Array.prototype.slice.call(grid.children);
find.form.onsubmit=function(e){e.preventDefault()};
var rows=Array.prototype.slice.call(document.querySelectorAll(".more tr[data-name]")),all=cards.concat(rows);
find.oninput=function(){var word=find.value.trim().toLowerCase(),n=0;
all.forEach(function(c){c.hidden=c.dataset.name.indexOf(word)<0;if(!c.hidden)n++});
if(word&&rows.some(function(r){return!r.hidden}))document.querySelector(".more").open=true;
by("found").textContent=word?n+" of "+all.length:""};
order.onchange=function(){var how=order.value;
cards.sort(function(a,b){if(how==="name")return a.dataset.name<b.dataset.name?-1:1;
if(how==="best")return b.dataset.shape-a.dataset.shape||a.dataset.order-b.dataset.order;
return a.dataset.order-b.dataset.order});
cards.forEach(function(c){grid.appendChild(c)})}}
/* maps: name the cell under the pointer */
var tip=by("tip");
document.querySelectorAll(".maps").forEach(function(maps){
var names=JSON.parse(maps.dataset.names),drawings=Array.prototype.slice.call(maps.querySelectorAll("svg[data-values]"));
var values=drawings.map(function(d){return d.dataset.values.split(",")});
drawings.forEach(function(d){
d.onpointermove=function(e){
var box=d.getBoundingClientRect(),scale=d.viewBox.baseVal.width/box.width,cell=+d.dataset.cell;
var j=Math.floor((e.clientX-box.left)*scale/cell),i=Math.floor((e.clientY-box.top)*scale/cell);
if(j<0||i>=names.length||j>=i){tip.hidden=true;return}
var at=i*(i-1)/2+j,show=function(k){var v=values[k][at];return v===""?"not defined":(v/100).toFixed(2).replace("-","\u2212")};
tip.textContent=names[j]+" \u00d7 "+names[i]+": real "+show(0)+", synthetic "+show(1)+", difference "+show(2);
tip.hidden=false;
tip.style.left=Math.max(4,Math.min(e.clientX+14,innerWidth-tip.offsetWidth-8))+"px";
tip.style.top=(e.clientY+tip.offsetHeight+22>innerHeight?e.clientY-tip.offsetHeight-10:e.clientY+16)+"px"};
d.onpointerleave=function(){tip.hidden=true}})});
/* paper shows everything */
addEventListener("beforeprint",function(){document.querySelectorAll("details").forEach(function(d){d.open=true})});
})();
