/* The planning map in the browser. Python hands over everything as JSON blocks (#<id>_data); this file draws it.
 *
 * It computes no number: values come with their text, their class and their colours. Whatever comes from data is set
 * with textContent, never as HTML. Needs Leaflet and Chromium 80 or later.
 */
const qpgis = (() => {
  "use strict";

  const NARROW = "(max-width: 760px)";
  const BORDERS = "qp-borders"; // zone borders lie above all layers, and catch no mouse
  const LABELS = "qp-labels";
  const PAPER = "#ffffff"; // of zones on a map without indicators
  const CLOSE_ZOOM = 15;

  /* ---- small helpers ---- */

  const byId = (id) => document.getElementById(id);
  const payload = (id) => JSON.parse(byId(id + "_data").textContent);

  function make(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function svg(tag, attributes, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }

  /** A packed column is one string for all rows, or distinct words `w` with an index for each row `i`. */
  const at = (column, row) => (typeof column === "string" ? column : column.w[column.i[row]]);

  /** Rows of a description list, without the empty ones. */
  function facts(rows) {
    const list = make("dl");
    for (const [term, text, className, sign] of rows) {
      if (!text) continue;
      const said = make("dd", className || "", text);
      if (sign) said.prepend(sign);
      list.append(make("dt", "", term), said);
    }
    return list;
  }

  /** The light of a target: a dot in its colour. */
  function lampOf(colour, name) {
    const dot = make("span", "qp-lamp");
    dot.style.background = colour;
    dot.title = name;
    return dot;
  }

  /* ---- geometry: flat integer deltas [x0, y0, dx, dy, ...] in units of 1/scale degree ---- */

  function unroll(flat, scale) {
    const points = [];
    let x = 0;
    let y = 0;
    for (let k = 0; k < flat.length; k += 2) {
      x += flat[k];
      y += flat[k + 1];
      points.push(L.latLng(y / scale, x / scale));
    }
    return points;
  }

  const areaOf = (parts, scale) => parts.map((rings) => rings.map((ring) => unroll(ring, scale)));
  const linesOf = (parts, scale) => parts.map((line) => unroll(line, scale));

  /** Even-odd test of a point in the rings of all parts. */
  function contains(parts, at_) {
    let inside = false;
    for (const ring of parts.flat()) {
      for (let k = 0, j = ring.length - 1; k < ring.length; j = k++) {
        const a = ring[k];
        const b = ring[j];
        if (a.lat > at_.lat !== b.lat > at_.lat &&
            at_.lng < ((b.lng - a.lng) * (at_.lat - a.lat)) / (b.lat - a.lat) + a.lng) inside = !inside;
      }
    }
    return inside;
  }

  /** The hatch that means "no data"; a canvas pattern serves Leaflet as a fill colour. */
  function hatch() {
    const tile = make("canvas");
    tile.width = tile.height = 8;
    const pen = tile.getContext("2d");
    pen.fillStyle = "#f7f7f5";
    pen.fillRect(0, 0, 8, 8);
    pen.strokeStyle = "#a9b0b2";
    pen.lineWidth = 1;
    pen.beginPath();
    for (const shift of [-8, 0, 8]) {
      pen.moveTo(shift, 8);
      pen.lineTo(shift + 8, 0);
    }
    pen.stroke();
    return pen.createPattern(tile, "repeat");
  }

  /* ---- layers ---- */

  const FeatureLayer = L.FeatureGroup.extend({
    initialize(data) {
      L.FeatureGroup.prototype.initialize.call(this);
      this.data = data;
      data.features.forEach((feature, row) => this.addLayer(this.draw(feature, row)));
      this.names = data.names.rows.map((row, k) => this.nameAt(data.names.places[k], at(data.name, row)));
      this.on("mousemove", (event) => hover(this._map, event.latlng, this.card(event.propagatedFrom.row)));
      this.on("mouseout", () => unhover(this._map));
      this.on("click", (event) => pin(this._map, event.latlng, this.card(event.propagatedFrom.row)));
    },
    onAdd(map) {
      L.FeatureGroup.prototype.onAdd.call(this, map);
      this.names.forEach((marker) => marker.addTo(map));
    },
    onRemove(map) {
      this.names.forEach((marker) => marker.remove());
      L.FeatureGroup.prototype.onRemove.call(this, map);
    },
    /** A feature's name: beside a point, in the middle of an area or line. */
    nameAt(place, name) {
      const node = make("div", this.data.type === "point" ? "qp-beside" : "", name);
      const icon = L.divIcon({ className: "qp-name", html: node, iconSize: null });
      const marker = L.marker(place, { icon, pane: LABELS, interactive: false, keyboard: false });
      marker.node = node;
      return marker;
    },
    draw([type, parts], row) {
      const { scale, style, dashes } = this.data;
      const options = {
        color: style.stroke, weight: style.width, opacity: style.opacity, fillColor: at(this.data.fill, row) || style.fill,
        fillOpacity: style.opacity, dashArray: dashes[at(this.data.plan, row)] || null, smoothFactor: 0.6,
      };
      let path;
      if (type === "area") path = L.polygon(areaOf(parts, scale), options);
      else if (type === "line") path = L.polyline(linesOf(parts, scale), options);
      else path = L.circleMarker(unroll(parts, scale)[0], { ...options, radius: style.radius, fill: true });
      path.row = row;
      return path;
    },
    card(row) {
      const { words, title, said, weak } = this.data;
      const node = make("div", "qp-feature");
      node.append(make("h3", "", at(this.data.name, row) || title));
      node.append(facts([
        [words.layer, title],
        [words.class, at(this.data.class, row)],
        [words.plan_status, at(this.data.plan_said, row)],
        ...this.data.facts.map(([name, column]) => [name, at(column, row)]),
        [words.feature_id, at(this.data.id, row)],
        [words.grade, said, weak ? "qp-weak" : ""],
      ]));
      return node;
    },
  });

  const apart = (box, other) =>
    box.right < other.left || box.left > other.right || box.bottom < other.top || box.top > other.bottom;

  /** Names of features from their zoom on, where they cover neither a zone's label nor a name of a layer above. */
  function placeNames(map, layers) {
    const zones = map.qpZones ? map.qpZones.drawn.labels.map(({ node }) => node) : [];
    const taken = zones.filter((node) => node.style.visibility !== "hidden").map((node) => node.getBoundingClientRect());
    for (const { names, data } of [...layers].sort((a, b) => b.data.order - a.data.order)) {
      for (const { node } of names) {
        node.style.display = map.getZoom() < data.names.zoom ? "none" : "";
        const box = node.getBoundingClientRect();
        if (node.style.display) continue;
        if (taken.every((other) => apart(box, other))) taken.push(box);
        else node.style.display = "none";
      }
    }
  }

  const ZoneLayer = L.LayerGroup.extend({
    initialize(data) {
      L.LayerGroup.prototype.initialize.call(this);
      this.data = data;
      this.series = data.series[0] || null;
      this.built = {};
      this.show(data.levels[0].key);
    },
    onAdd(map) {
      map.qpZones = this;
      L.LayerGroup.prototype.onAdd.call(this, map);
      this.toBack();
      map.on("zoomend resize", this.placeLabels, this);
      this.placeLabels();
    },
    onRemove(map) {
      map.qpZones = null;
      map.off("zoomend resize", this.placeLabels, this);
      L.LayerGroup.prototype.onRemove.call(this, map);
    },
    level(key) {
      if (!this.built[key]) this.built[key] = this.build(this.data.levels.find((level) => level.key === key));
      return this.built[key];
    },
    build(level) {
      const drawn = { key: level.key, names: level.names, border: level.border, facts: level.facts, fills: [], borders: [], labels: [] };
      const thin = level.names.length > 300;
      level.parts.forEach((parts, row) => {
        const rings = areaOf(parts, this.data.scale);
        const fill = L.polygon(rings, { stroke: thin, weight: 0.4, color: "#fff", fillOpacity: 1, smoothFactor: 0.5 });
        fill.row = row;
        fill.on("mousemove", (event) => this.point(event, fill));
        fill.on("mouseout", () => this.leave(fill));
        fill.on("click", (event) => pin(this._map, event.latlng));
        drawn.fills.push(fill);
        if (thin) return;
        drawn.borders.push(L.polygon(rings, {
          pane: BORDERS, fill: false, interactive: false, weight: 1.1, color: "#37454c", smoothFactor: 0.5,
        }));
      });
      (level.labels || []).forEach((place, row) => drawn.labels.push(this.label(place, level.names[row])));
      return drawn;
    },
    label(place, name) {
      const node = make("div");
      node.append(make("b", "", name), make("span"));
      const icon = L.divIcon({ className: "qp-label", html: node, iconSize: null });
      const marker = L.marker(place, { icon, pane: LABELS, interactive: false, keyboard: false });
      marker.node = node;
      return marker;
    },
    show(key) {
      this.clearLayers();
      this.drawn = this.level(key);
      for (const path of [...this.drawn.fills, ...this.drawn.borders, ...this.drawn.labels]) this.addLayer(path);
      this.paint(this.series);
    },
    /** What the chosen indicator says about the zones of the shown level. */
    rows() {
      return this.series && this.series.levels[this.drawn.key];
    },
    lampAt(row) {
      const lamp = this.data.lamps[at(this.rows().light, row)];
      return lamp ? lampOf(lamp.colour, lamp.name) : null;
    },
    statusAt(row) {
      const lamp = this.data.lamps[at(this.rows().light, row)];
      const status = at(this.rows().status, row);
      return lamp ? `${status} · ${lamp.name}` : status;
    },
    paint(series) {
      this.series = series;
      const rows = this.rows();
      if (!this.hatch) this.hatch = hatch();
      this.drawn.fills.forEach((fill, row) => {
        const shade = rows && rows.class[row] >= 0 ? rows.colours[rows.class[row]] : this.hatch;
        fill.setStyle({ fillColor: series ? shade : PAPER });
      });
      this.drawn.labels.forEach((marker, row) => {
        marker.node.lastChild.textContent = rows ? at(rows.value, row) : "";
      });
      if (this._map) {
        this.toBack();
        this.placeLabels();
      }
    },
    toBack() {
      this.drawn.fills.forEach((fill) => fill.bringToBack());
    },
    /** Name and value where there is room in the zone and beside other labels, else the name, else nothing. */
    placeLabels() {
      const taken = [];
      const width = (bounds) =>
        this._map.latLngToLayerPoint(bounds.getNorthEast()).x - this._map.latLngToLayerPoint(bounds.getNorthWest()).x;
      const free = (box) => taken.every((other) => apart(box, other));
      this.drawn.labels.forEach(({ node }, row) => {
        const value = node.lastChild;
        if (this.drawn.key === "grid") node.firstChild.style.display = "none"; // a cell's name says nothing
        node.style.visibility = "";
        value.style.display = "";
        const whole = node.getBoundingClientRect();
        if (!free(whole) || whole.width > width(this.drawn.fills[row].getBounds())) value.style.display = "none";
        const box = node.getBoundingClientRect();
        if (free(box)) taken.push(box);
        else node.style.visibility = "hidden";
      });
    },
    rowAt(latlng) {
      const fill = this.drawn.fills.find((path) =>
        path.getBounds().contains(latlng) && contains(path.getLatLngs(), latlng));
      return fill ? fill.row : -1;
    },
    point(event, fill) {
      this.mark(fill, true);
      hover(this._map, event.latlng);
    },
    leave(fill) {
      this.mark(fill, false);
      unhover(this._map);
    },
    mark(fill, on) {
      const border = this.drawn.borders[fill.row];
      if (border) border.setStyle({ weight: on ? 2.8 : 1.1 });
    },
    card(row) {
      const words = this.data.words;
      const node = make("div", "qp-zone");
      node.append(make("h3", "", this.drawn.names[row]));
      const attributes = this.drawn.facts.map(([name, column]) => [name, at(column, row)]);
      const rows = this.rows();
      if (!rows) {
        node.append(facts(attributes));
        return node;
      }
      const missing = rows.class[row] < 0;
      node.append(make("p", missing ? "qp-big qp-missing" : "qp-big", missing ? words.no_data : at(rows.value, row)));
      node.append(facts([
        [words.indicator, this.series.name],
        [words.definition, this.series.text || this.series.definition],
        [words.target, at(rows.target, row)],
        [words.status, this.statusAt(row), "", this.lampAt(row)],
        [words.grade, at(rows.said, row), at(rows.weak, row) ? "qp-weak" : ""],
        [words.note, at(rows.note, row)],
        [words.border, at(this.drawn.border, row)],
        ...attributes,
      ]));
      return node;
    },
  });

  /* ---- tooltip and popup: the feature under the mouse, then the zone it lies in ---- */

  function card(map, latlng, feature) {
    const node = make("div", "qp-card");
    if (feature) node.append(feature);
    const zones = map.qpZones;
    const row = zones ? zones.rowAt(latlng) : -1;
    if (row >= 0) node.append(zones.card(row));
    return node;
  }

  function hover(map, latlng, feature) {
    if (!map || map.qpPinned) return;
    if (!map.qpTip) map.qpTip = L.tooltip({ className: "qp-tip", offset: [14, 0], opacity: 1 });
    map.qpTip.setContent(card(map, latlng, feature));
    map.openTooltip(map.qpTip, latlng);
  }

  function unhover(map) {
    if (map && map.qpTip) map.closeTooltip(map.qpTip);
  }

  function pin(map, latlng, feature) {
    unhover(map);
    L.popup({ maxWidth: 270, minWidth: 180, autoPanPaddingBottomRight: [48, 8] }).setLatLng(latlng).setContent(card(map, latlng, feature)).openOn(map);
    map.qpPinned = true;
    map.once("popupclose", () => { map.qpPinned = false; });
  }

  /* ---- layer control: Leaflet's own, with a legend key and the grade beside each title ---- */

  const KEY = { width: 26, height: 14, "aria-hidden": "true" };

  /** How a layer is drawn, as a small picture. */
  function legendKey({ style, type }) {
    const ink = { stroke: style.stroke, "stroke-width": Math.max(style.width, 1), opacity: style.opacity };
    if (type === "line") return svg("svg", KEY, svg("path", { d: "M1 7H25", fill: "none", ...ink, "stroke-width": Math.max(style.width, 1.6) }));
    if (type === "point") return svg("svg", KEY, svg("circle", { cx: 13, cy: 7, r: Math.min(style.radius, 5), fill: style.fill, ...ink }));
    return svg("svg", KEY, svg("rect", { x: 1, y: 1, width: 24, height: 12, fill: style.fill, ...ink }));
  }

  const LayerControl = L.Control.Layers.extend({
    _addItem(item) {
      // Leaflet sets the name as HTML: hand it none, and add ours as text.
      const label = L.Control.Layers.prototype._addItem.call(this, { ...item, name: "" });
      const name = label.querySelector("span > span");
      const data = item.layer instanceof FeatureLayer ? item.layer.data : null;
      if (data) name.before(legendKey(data));
      name.textContent = item.name;
      if (data && data.legend.length) label.append(colours(item.layer));
      if (data && data.said) name.append(make("span", data.weak ? "qp-said qp-weak" : "qp-said", ` · ${data.said}`));
      return label;
    },
  });

  /** What the colours of a layer's classes mean; shown while the layer is. */
  function colours(layer) {
    const list = make("ul", "qp-colours");
    list.hidden = !layer._map;
    layer.on("add remove", () => (list.hidden = !layer._map));
    for (const [name, colour] of layer.data.legend) {
      const item = make("li");
      item.append(svg("svg", KEY, svg("rect", { x: 1, y: 1, width: 24, height: 12, fill: colour, stroke: "#a0a0a0" })), name);
      list.append(item);
    }
    return list;
  }

  function layerControl(map, entries) {
    const control = new LayerControl(null, null, { collapsed: false, autoZIndex: false });
    for (const [layer, title, overlay] of entries) {
      if (overlay) control.addOverlay(layer, title);
      else control.addBaseLayer(layer, title);
    }
    control.addTo(map);
    const home = byId("qp-layers");
    if (home) {
      home.append(control.getContainer());
      home.append(dashes(entries.map(([layer]) => layer).filter((layer) => layer instanceof FeatureLayer)));
    }
    const drawn = () => entries.map(([layer]) => layer).filter((layer) => layer instanceof FeatureLayer && layer._map);
    map.on("zoomend resize overlayadd overlayremove", () => placeNames(map, drawn()));
    placeNames(map, drawn());
    map.on("overlayadd", () => restack(entries.map(([layer]) => layer)));
    restack(entries.map(([layer]) => layer));
  }

  /** What dashed and dotted outlines mean, as far as they are on this map. */
  function dashes(layers) {
    const list = make("ul", "qp-dashes");
    const seen = new Map();
    for (const { data } of layers) {
      data.features.forEach((_, row) => {
        const said = at(data.plan_said, row);
        if (said) seen.set(said, data.dashes[at(data.plan, row)] || "");
      });
    }
    for (const [said, dash] of seen) {
      const line = { d: "M1 7H25", stroke: "#1f2a30", "stroke-width": 1.6, "stroke-dasharray": dash || "none" };
      const item = make("li");
      item.append(svg("svg", KEY, svg("path", line)), said);
      list.append(item);
    }
    return list;
  }

  /** On one canvas the last drawn lies on top: bring the layers back into the order of the styles. */
  function restack(layers) {
    layers.filter((layer) => layer instanceof FeatureLayer && layer._map)
      .sort((a, b) => a.data.order - b.data.order)
      .forEach((layer) => layer.bringToFront());
  }

  /* ---- the sheet ---- */

  class Sheet {
    constructor(map, zones, data) {
      Object.assign(this, { map, zones, data, words: data.words });
      document.body.classList.add("qp-sheet");
      byId("qp-title").textContent = data.title;
      for (const node of document.querySelectorAll("[data-word]")) node.textContent = this.words[node.dataset.word];
      this.furnish();
      this.fold();
      this.fillLevels();
      this.fillIndicators();
      this.fillNotices();
      this.fillLights();
      this.update();
      this.fit();
    }

    /** Scale bar, north arrow, the grade as a seal on the map itself. */
    furnish() {
      this.map.setMaxZoom(19);
      L.control.scale({ metric: true, imperial: false, maxWidth: 130 }).addTo(this.map);
      const north = L.control({ position: "topright" });
      north.onAdd = () => {
        const node = make("div", "qp-north");
        node.append(svg("svg", { width: 14, height: 22, role: "img" },
          svg("path", { d: "M7 0L13 21L7 16Z", fill: "#1f2a30" }), svg("path", { d: "M7 0L1 21L7 16Z", fill: "none", stroke: "#1f2a30" })),
        make("span", "", this.words.north));
        return node;
      };
      north.addTo(this.map);
      const seal = L.control({ position: "bottomright" });
      seal.onAdd = () => (this.seal = make("div", "qp-stamp qp-seal qp-weak"));
      seal.addTo(this.map);
      this.map.on("overlayadd overlayremove", () => this.stamp());
    }

    /** Panel beside the map, or below it on a narrow screen, where it starts folded. */
    fold() {
      const body = document.body.classList;
      const button = byId("qp-toggle");
      const say = () => {
        const closed = body.contains("qp-closed");
        button.textContent = closed ? this.words.panel_show : this.words.panel_hide;
        button.setAttribute("aria-expanded", String(!closed));
      };
      const query = window.matchMedia(NARROW);
      const adapt = () => {
        body.toggle("qp-narrow", query.matches);
        body.toggle("qp-closed", query.matches);
        say();
      };
      query.addListener(adapt);
      button.addEventListener("click", () => {
        body.toggle("qp-closed");
        say();
      });
      adapt();
    }

    fillLevels() {
      const field = byId("qp-levels");
      const pills = field.querySelector(".qp-pills");
      this.zones.data.levels.forEach((level, k) => {
        const input = make("input");
        Object.assign(input, { type: "radio", name: "qp-level", value: level.key, checked: k === 0 });
        input.addEventListener("change", () => {
          this.zones.show(level.key);
          this.update();
        });
        const label = make("label");
        label.append(input, make("span", "", level.name));
        pills.append(label);
      });
      field.hidden = this.zones.data.levels.length < 2;
    }

    fillIndicators() {
      this.indicator = byId("qp-indicator");
      this.definition = byId("qp-definition");
      const names = new Map(this.zones.data.series.map((series) => [series.indicator, series.name]));
      for (const node of [this.indicator.parentNode, byId("qp-legend")]) node.hidden = names.size === 0;
      for (const [key, name] of names) this.indicator.append(new Option(name, key));
      this.indicator.addEventListener("change", () => this.fillDefinitions());
      this.definition.addEventListener("change", () => this.choose());
      this.fillDefinitions();
    }

    fillDefinitions() {
      const series = this.zones.data.series.filter(({ indicator }) => indicator === this.indicator.value);
      this.definition.replaceChildren(
        ...series.map(({ definition, text }) => new Option(text || definition, definition)));
      this.definition.parentNode.hidden = series.length < 2;
      this.choose();
    }

    /** What the lights of the targets mean, and by which settings values are judged. */
    fillLights() {
      for (const { name, meaning, colour } of this.data.lamps) {
        const item = make("li", "", `${name} ${meaning}`);
        item.prepend(lampOf(colour, name));
        byId("qp-lamps").append(item);
      }
      for (const line of this.data.judging) byId("qp-judging").append(make("p", "", line));
      byId("qp-lights").hidden = this.data.lamps.length === 0;
    }

    /** What there is to say beside the values, one after the other; what has a place leads there. */
    fillNotices() {
      const { notices } = this.data;
      byId("qp-notices").hidden = notices.length === 0;
      byId("qp-notices-list").append(...notices.map((notice) => {
        const item = make("li");
        const entry = make(notice.place ? "button" : "span", "qp-notice");
        entry.append(svg("svg", KEY, svg("circle", { cx: 13, cy: 7, r: 5, fill: notice.colour })), make("span", "", notice.title));
        item.append(entry, make("p", "", notice.text));
        if (!notice.place) return item;
        entry.type = "button";
        entry.addEventListener("click", () => {
          this.map.setView(notice.place, Math.max(this.map.getZoom(), CLOSE_ZOOM), { animate: false });
          const node = make("div", "qp-feature");
          node.append(make("h3", "", notice.title), make("p", "", notice.text));
          pin(this.map, L.latLng(notice.place), node);
        });
        return item;
      }));
    }

    choose() {
      const chosen = this.zones.data.series.find((series) =>
        series.indicator === this.indicator.value && series.definition === this.definition.value);
      this.zones.paint(chosen || null);
      this.update();
    }

    /** Everything outside the map that speaks of the chosen indicator and level. */
    update() {
      const { series } = this.zones;
      const level = this.zones.data.levels.find(({ key }) => key === this.zones.drawn.key);
      byId("qp-subject").textContent = [series && series.name, level.name].filter(Boolean).join(" · ");
      this.map.closePopup();
      this.legend(series, this.zones.rows());
      this.table(level, this.zones.rows());
      this.footer(series, this.zones.rows());
      this.stamp();
    }

    legend(series, rows) {
      byId("qp-legend-title").textContent = !series ? "" :
        series.unit ? this.words.legend_unit.replace("{name}", () => series.name).replace("{unit}", () => series.unit) : series.name;
      const entries = rows ? rows.labels.map((label, k) => [label, rows.colours[k]]) : [];
      entries.push([this.words.no_data_legend, null]);
      byId("qp-classes").replaceChildren(...entries.map(([text, colour]) => {
        const item = make("li");
        const swatch = make("span", colour ? "qp-swatch" : "qp-swatch qp-none");
        if (colour) swatch.style.background = colour;
        item.append(swatch, make("span", "", text));
        return item;
      }));
    }

    /** The values again as a table, for keyboards and screen readers; a name leads to its zone. */
    table(level, rows) {
      const box = byId("qp-values");
      box.hidden = !rows || level.names.length > 300;
      if (box.hidden) return;
      const head = make("tr");
      const withStatus = typeof rows.status !== "string" || rows.status !== "";
      const titles = [level.name, this.words.value, ...(withStatus ? [this.words.status] : [])];
      head.append(...titles.map((title) => make("th", "", title)));
      box.querySelector("thead").replaceChildren(head);
      box.querySelector("tbody").replaceChildren(...level.names.map((name, row) => {
        const line = make("tr");
        const button = make("button", "", name);
        button.type = "button";
        button.addEventListener("click", () => this.map.fitBounds(this.zones.drawn.fills[row].getBounds(), { maxZoom: 15 }));
        const first = make("td");
        first.append(button);
        line.append(first, make("td", "", rows.class[row] < 0 ? this.words.no_data : at(rows.value, row)));
        if (withStatus) {
          const cell = make("td", "", this.zones.statusAt(row));
          const lamp = this.zones.lampAt(row);
          if (lamp) cell.prepend(lamp);
          line.append(cell);
        }
        return line;
      }));
    }

    footer(series, rows) {
      const lines = [];
      if (series) {
        const now = make("p", "qp-now");
        const said = series.text ? `${series.text} (${series.definition})` : series.definition;
        now.append(this.words.footer_definition.replace("{text}", () => said));
        if (rows && rows.grades.length) {
          now.append(this.words.footer_grade, make("span", rows.weak_said.length ? "qp-weak" : "", rows.grades.join(this.words.and)));
        }
        lines.push(now);
      }
      lines.push(...this.data.footer.map((text) => make("p", "", text)));
      byId("qp-footer").replaceChildren(...lines);
    }

    /** The grade of what is shown; the weak ones (modelled, schematic, synthetic) also as a seal on the map. */
    stamp() {
      const rows = this.zones.rows();
      const head = byId("qp-grade");
      head.textContent = rows ? rows.grades.join(this.words.and) : "";
      head.classList.toggle("qp-weak", Boolean(rows && rows.weak_said.length));
      const weak = new Set(rows && this.map.hasLayer(this.zones) ? rows.weak_said : []);
      this.map.eachLayer((layer) => {
        if (layer instanceof FeatureLayer && layer.data.weak) weak.add(layer.data.said);
      });
      this.seal.textContent = [...weak].join(this.words.and);
    }

    /** All zones in view; again when the window changes, until the reader has moved the map. */
    fit() {
      let moved = false;
      const fit = () => this.map.fitBounds(this.zones.data.bounds, { padding: [14, 14], animate: false });
      this.map.on("dragstart zoomstart", () => { moved = moved || this.settled; });
      new ResizeObserver(() => {
        this.settled = false;
        this.map.invalidateSize({ pan: false });
        if (!moved) fit();
        this.settled = true;
      }).observe(this.map.getContainer());
      fit();
      this.settled = true;
    }
  }

  /* ---- what the page calls ---- */

  return {
    features: (id) => new FeatureLayer(payload(id)),
    zones: (id) => new ZoneLayer(payload(id)),
    panes: (map) => {
      map.createPane(BORDERS).style.zIndex = 450;
      map.createPane(LABELS).style.zIndex = 620;
    },
    sheet: (map, zones, id) => new Sheet(map, zones, payload(id)),
    layerControl,
  };
})();
