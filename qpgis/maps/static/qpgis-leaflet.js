/* Right after Leaflet, on every offline page: nothing that needs the network, no flag in the corner. */
(() => {
  "use strict";
  L.Control.Attribution.prototype.options.prefix = false;
  // Leaflet looks for its marker pictures beside leaflet.css, which is no file here.
  L.Icon.Default.imagePath = "";
  L.Icon.Default.mergeOptions({
    iconUrl: "url(marker-icon.png)",
    iconRetinaUrl: "url(marker-icon-2x.png)",
    shadowUrl: "url(marker-shadow.png)",
  });
})();
