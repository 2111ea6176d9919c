package build.thresher.cas.s3;

import java.io.StringWriter;
import javax.xml.stream.XMLOutputFactory;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamWriter;

/** Documents that S3 answers. */
final class Xml {
  private static final String NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/";

  private final StringWriter text = new StringWriter();
  private final XMLStreamWriter xml;

  private Xml(String root, boolean namespace) throws XMLStreamException {
    xml = XMLOutputFactory.newFactory().createXMLStreamWriter(text);
    xml.writeStartDocument("UTF-8", "1.0");
    xml.writeStartElement(root);
    if (namespace) {
      xml.writeDefaultNamespace(NAMESPACE);
    }
  }

  /** Writes what is inside. */
  interface Body {
    void write(Xml xml) throws XMLStreamException;
  }

  static String document(String root, Body body) {
    return document(root, true, body);
  }

  /** What a client is told when it is refused; in no namespace. */
  static String error(S3Exception e) {
    return document(
        "Error",
        false,
        xml -> {
          xml.element("Code", e.code());
          xml.element("Message", String.valueOf(e.getMessage()));
        });
  }

  private static String document(String root, boolean namespace, Body body) {
    try {
      Xml xml = new Xml(root, namespace);
      body.write(xml);
      xml.xml.writeEndDocument();
      xml.xml.close();
      return xml.text.toString();
    } catch (XMLStreamException e) {
      throw new IllegalStateException("writing XML to memory", e);
    }
  }

  void element(String name, String value) throws XMLStreamException {
    xml.writeStartElement(name);
    xml.writeCharacters(value);
    xml.writeEndElement();
  }

  void element(String name, Body inside) throws XMLStreamException {
    xml.writeStartElement(name);
    inside.write(this);
    xml.writeEndElement();
  }
}
